"""Set model versions side by side by what they cost and find, and mark the frontier.

Owns when one version beats another: it finds more by more than both intervals allow, and costs no
more. Where intervals touch nobody is beaten, so the frontier is never drawn by noise.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal.errors import NotComparable, PathError
from crossmodal.ledger.evaluation_records import Estimate
from crossmodal.models.catalogue import Entry, Scored
from crossmodal.views.text_table import TextTable

if TYPE_CHECKING:
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


def frontier(entries: Sequence[Entry], set_name: str = "") -> list[Point]:
    """Return the versions' latest figures for the pairs that all of them have, of one set.

    Raises:
        NotComparable: no set was evaluated with all of them over the same gallery.
    """
    points = []
    for key in _shared(entries, set_name):
        row = [(entry, next(s for s in entry.scored if _key(s) == key)) for entry in entries]
        costs = [(s.ms_per_query, e.vector_bytes) for e, s in row]
        for (entry, scored), cost in zip(row, costs, strict=True):
            others = [(s, c) for (_, s), c in zip(row, costs, strict=True) if s is not scored]
            beaten = any(_beats(s, c, scored, cost) for s, c in others)
            points.append(_point(entry, scored, on_frontier=not beaten))
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
    from PIL import Image, ImageDraw

    shown = [p for p in points if p.pair == pair]
    width, height = _SIZE
    lines = _BOTTOM + _LEGEND + _LINE * (len(shown) + 1)
    image = Image.new("RGB", (width, max(height, lines)), "#ffffff")
    _draw(ImageDraw.Draw(image), shown, pair)
    part = out.parent / f".{out.name}.{os.getpid()}.part"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        image.save(part, "PNG")
        part.replace(out)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise PathError(f"cannot write {out}: {error.strerror or error}") from error


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


def _point(entry: Entry, scored: Scored, *, on_frontier: bool) -> Point:
    rate = min(entry.items_per_s.values(), default=0.0)
    return Point(
        label=entry.label,
        pair=f"{scored.set_name}: {scored.pair}",
        recall_at_10=scored.recall_at_10,
        ms_per_query=scored.ms_per_query,
        ms_per_item=1000 / rate if rate else None,
        vector_mb=entry.vector_bytes / 1e6,
        on_frontier=on_frontier,
    )


Key = tuple[str, str, str, str]


def _key(scored: Scored) -> Key:
    return scored.set_name, scored.pair, scored.set_digest, scored.gallery_digest


def _shared(entries: Sequence[Entry], set_name: str) -> list[Key]:
    keys = [{_key(s) for s in e.scored if set_name in ("", s.set_name)} for e in entries]
    shared = sorted(set.intersection(*keys)) if keys else []
    if not shared:
        labels = ", ".join(entry.label for entry in entries)
        raise NotComparable(
            f"{labels} were not evaluated with one set over the same gallery: run `crossmodal "
            "evaluate SET --model VERSION` for each"
        )
    return shared
