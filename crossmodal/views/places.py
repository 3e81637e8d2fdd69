"""Say in words where in its source a chunk stands: ``page 3``, ``at 0:12``, ``rows 21 to 40``.

A clip was seen from its first second to its last one, and says both.

Positions count rows from 0; people are told them from 1, the row below the header being row 1.
"""

from __future__ import annotations

from typing import Any

_SNIPPET_CHARS = 160
_RECORD_CHARS = 60


def place_of(meta: dict[str, Any]) -> str:
    """Return the place that a chunk's position tells of; empty for a whole source."""
    parts = []
    if "sheet" in meta:
        parts.append(f"sheet {meta['sheet']}")
    if "page" in meta:
        parts.append(f"page {meta['page']}")
    if "box" in meta and "page" not in meta:
        parts.append(_part_of(meta["box"]))
    if "start_s" in meta:
        until = f" to {clock(meta['end_s'])}" if "num_frames" in meta else ""
        parts.append(f"at {clock(meta['start_s'])}{until}")
    return ", ".join(filter(None, [*parts, _record_of(meta)]))


def _record_of(meta: dict[str, Any]) -> str:
    if "record" in meta:
        return f"record {snippet(str(meta['record']), _RECORD_CHARS)}"
    if "matched_row" in meta:
        return f"row {meta['matched_row'] + 1}"
    if "rows" in meta:
        first, stop = meta["rows"]
        return f"row {stop}" if stop - first == 1 else f"rows {first + 1} to {stop}"
    return f"row {meta['row'] + 1}" if "row" in meta else ""


def _part_of(box: list[float]) -> str:
    """Return in words where in a picture a box lies, in shares of its sides: ``upper left``."""
    left, top, right, bottom = box
    down = _third((top + bottom) / 2, "upper", "lower")
    across = _third((left + right) / 2, "left", "right")
    return " ".join(word for word in (down, across) if word) or "middle"


def _third(centre: float, low: str, high: str) -> str:
    return low if centre < 1 / 3 else high if centre > 2 / 3 else ""


def clock(seconds: float) -> str:
    """Return a moment as a player shows it: ``0:12``, ``1:02:03``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def snippet(text: str, max_chars: int = _SNIPPET_CHARS) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(text.split())
    return line if len(line) <= max_chars else line[: max_chars - 1].rstrip() + "…"
