"""Write numbers and names for people: ``1.2 MB``, ``3 m 05 s``, a file name without newlines.

Owns the units and the escaping that every table and report of this project shows; refuses to lay
anything out. No name that passes through here can move a cursor or break a table.
"""

from __future__ import annotations


def human_bytes(num_bytes: float) -> str:
    """Return a size in decimal units: ``1.2 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(num_bytes) < 999.95:
            return f"{num_bytes:.0f} B" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= 1000
    return f"{num_bytes:.1f} TB"


def human_seconds(seconds: float) -> str:
    """Return a duration: ``12 ms``, ``4.2 s``, ``3 m 05 s``, ``2 h 07 m``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} m"


def human_rate(per_second: float | None) -> str:
    """Return items a second with three digits that matter, or a dash where there is none."""
    if per_second is None:
        return "-"
    return f"{per_second:,.0f}" if per_second >= 99.5 else f"{per_second:.3g}"


def percent(share: float) -> str:
    """Return a share of 1 as whole percent; what is more than nothing is never shown as 0."""
    if 0 < share < 0.005:
        return "<1 %"
    return f"{share * 100:.0f} %"


def counted(num: int, thing: str, things: str = "") -> str:
    """Return a number with what is counted: ``1 file``, ``1,204 files``."""
    return f"{num:,} {thing if num == 1 else things or thing + 's'}"


def printable(text: str) -> str:
    r"""Return text on one line, with control characters and broken Unicode as ``\n``, ``\x1b``."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def markdown_cell(text: str, max_chars: int = 200) -> str:
    """Return text that stays inside one cell of a Markdown table and is read as plain words."""
    shown = printable(text)
    if len(shown) > max_chars:
        shown = shown[: max_chars - 1] + "…"
    escaped = "".join(f"\\{char}" if char in "\\`*_[]|~" else char for char in shown)
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
