"""Set model versions side by side by what they cost and find, and mark the frontier.

Owns when one version beats another: it finds more by more than both intervals allow, and costs no
more. Where intervals touch nobody is beaten, so the frontier is never drawn by noise.
"""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal.errors import NotComparable, PathError
from crossmodal.ledger.evaluation_records import Estimate, EvaluationRecord
from crossmodal.models.catalogue import Entry, Scored, catalogue, scored_of
from crossmodal.views.text_table import TextTable

if TYPE_CHECKING:
    import duckdb
    from PIL import ImageDraw

_SIZE, _LEFT, _TOP, _RIGHT, _BOTTOM = (960, 560), 90, 60, 930, 480
_LEGEND, _LINE = 36, 18
_INK, _FAINT, _MARK = "#1c1c1e", "#9a9aa0", "#0a64d8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Hold one version's figure for a pair, and what it costs."""

    label: str
    pair: str
    recall_at_10: Estimate
    ms_per_query: float
    ms_per_item: float | None
    """None before a run of some length was made with it."""
    vector_mb: float
    on_frontier: bool


@dataclass(frozen=True, slots=True)
class _Choice:
    """Hold what may be chosen: a version, or a line-up of several, with its figures and costs."""

    label: str
    items_per_s: float
    """Of its slowest modality; 0 where that is not known."""
    vector_bytes: int
    scored: list[Scored]


def frontier(entries: Sequence[Entry], set_name: str = "") -> list[Point]:
    """Return the versions' latest figures for the pairs that all of them have, of one set.

    Raises:
        NotComparable: no set was evaluated with all of them over the same gallery.
    """
    choices = [_Choice(e.label, _rate([e]), e.vector_bytes, e.scored) for e in entries]
    return _points(choices, set_name)


def compared_frontier(
    con: duckdb.DuckDBPyConnection, before: EvaluationRecord, after: EvaluationRecord
) -> list[Point]:
    """Return what two evaluations found, and cost, for the pairs that both have.

    Raises:
        NotComparable: they were not made over the same gallery.
    """
    entries = catalogue(con)
    choices = []
    for name, record in (("before", before), ("after", after)):
        used = [entry for entry in entries if entry.version.id in record.versions.values()]
        label = record.model if before.model != after.model else f"{record.model} ({name})"
        scored = [scored_of(record, pair) for pair in record.pairs]
        size = sum(entry.vector_bytes for entry in used)
        choices.append(_Choice(label, _rate(used), size, scored))
    return _points(choices, after.set_name)


def _points(choices: Sequence[_Choice], set_name: str) -> list[Point]:
    points = []
    for key in _shared(choices, set_name):
        row = [(choice, next(s for s in choice.scored if _key(s) == key)) for choice in choices]
        costs = [(s.ms_per_query, c.vector_bytes) for c, s in row]
        for (choice, scored), cost in zip(row, costs, strict=True):
            others = [(s, c) for (_, s), c in zip(row, costs, strict=True) if s is not scored]
            beaten = any(_beats(s, c, scored, cost) for s, c in others)
            points.append(_point(choice, scored, on_frontier=not beaten))
    return points


def frontier_table(points: Sequence[Point]) -> TextTable:
    """Return the points as a table, the frontier marked."""
    header = ("pair", "model version", "", "recall@10", "95 %", "ms a query", "ms an item", "MB")
    rows = [
        (
            p.pair,
            p.label,
            "frontier" if p.on_frontier else "",
            f"{p.recall_at_10.value:.3f}",
            f"{p.recall_at_10.low:.3f} to {p.recall_at_10.high:.3f}",
            f"{p.ms_per_query:.1f}",
            "-" if p.ms_per_item is None else f"{p.ms_per_item:.1f}",
            f"{p.vector_mb:.1f}",
        )
        for p in points
    ]
    return TextTable("versions beside each other", header, rows, num_words=3)


def draw_frontier(points: Sequence[Point], pair: str, out: Path) -> None:
    """Write a PNG of one pair: recall@10 with its interval over the milliseconds of a query.

    Raises:
        PathError: the file cannot be written.
    """
    part = out.parent / f".{out.name}.{os.getpid()}.part"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(frontier_png(points, pair))
        part.replace(out)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise PathError(f"cannot write {out}: {error.strerror or error}") from error


def frontier_png(points: Sequence[Point], pair: str) -> bytes:
    """Return the picture that ``draw_frontier`` writes."""
    from PIL import Image, ImageDraw

    shown = [p for p in points if p.pair == pair]
    width, height = _SIZE
    lines = _BOTTOM + _LEGEND + _LINE * (len(shown) + 1)
    image = Image.new("RGB", (width, max(height, lines)), "#ffffff")
    _draw(ImageDraw.Draw(image), shown, pair)
    drawn = io.BytesIO()
    image.save(drawn, "PNG")
    return drawn.getvalue()


def _draw(draw: ImageDraw.ImageDraw, points: Sequence[Point], pair: str) -> None:
    from PIL import ImageFont

    font, large = ImageFont.load_default(15), ImageFont.load_default(22)
    most_ms = 1.15 * max(p.ms_per_query for p in points)
    draw.text((_LEFT, 18), f"{pair}: recall@10 over ms a query", _INK, large)
    draw.line((_LEFT, _TOP, _LEFT, _BOTTOM, _RIGHT, _BOTTOM), _INK)
    for step in range(5):
        y = _BOTTOM - (_BOTTOM - _TOP) * step / 4
        x = _LEFT + (_RIGHT - _LEFT) * step / 4
        draw.text((_LEFT - 10, y), f"{step / 4:.2f}", _INK, font, anchor="rm")
        draw.text((x, _BOTTOM + 12), f"{most_ms * step / 4:.1f}", _INK, font, anchor="mt")
    for place, point in enumerate(sorted(points, key=lambda p: p.ms_per_query)):
        x = _LEFT + (_RIGHT - _LEFT) * point.ms_per_query / most_ms
        ends = (point.recall_at_10.high, point.recall_at_10.value, point.recall_at_10.low)
        high, y, low = (_BOTTOM - (_BOTTOM - _TOP) * end for end in ends)
        colour = _MARK if point.on_frontier else _FAINT
        draw.line((x, high, x, low), colour, 2)
        draw.ellipse((x - 6, y - 6, x + 6, y + 6), fill=colour)
        name = f"{point.label}, {point.vector_mb:.1f} MB"
        draw.text((_LEFT, _BOTTOM + _LEGEND + _LINE * place), f"{place + 1}: {name}", colour, font)
        draw.text((x + 10, y), str(place + 1), colour, font, anchor="lm")


def _beats(
    other: Scored, other_cost: tuple[float, int], scored: Scored, cost: tuple[float, int]
) -> bool:
    finds_more = other.recall_at_10.low > scored.recall_at_10.high
    return finds_more and all(a <= b for a, b in zip(other_cost, cost, strict=True))


def _rate(entries: Sequence[Entry]) -> float:
    return min((rate for entry in entries for rate in entry.items_per_s.values()), default=0.0)


def _point(choice: _Choice, scored: Scored, *, on_frontier: bool) -> Point:
    return Point(
        label=choice.label,
        pair=f"{scored.set_name}: {scored.pair}",
        recall_at_10=scored.recall_at_10,
        ms_per_query=scored.ms_per_query,
        ms_per_item=1000 / choice.items_per_s if choice.items_per_s else None,
        vector_mb=choice.vector_bytes / 1e6,
        on_frontier=on_frontier,
    )


Key = tuple[str, str, str, str]


def _key(scored: Scored) -> Key:
    return scored.set_name, scored.pair, scored.set_digest, scored.gallery_digest


def _shared(choices: Sequence[_Choice], set_name: str) -> list[Key]:
    keys = [{_key(s) for s in c.scored if set_name in ("", s.set_name)} for c in choices]
    shared = sorted(set.intersection(*keys)) if keys else []
    if not shared:
        labels = ", ".join(choice.label for choice in choices)
        raise NotComparable(
            f"{labels} were not evaluated with one set over the same gallery: run `crossmodal "
            "evaluate SET --model VERSION` for each"
        )
    return shared
