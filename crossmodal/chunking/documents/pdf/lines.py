"""Read the lines of a PDF page with their place, size and weight; runs in the child.

Asks PDFium for the text of a page once and for a few characters of each line, because asking for
every character costs a hundred times as much. Coordinates are the page's own: points, y upwards.
"""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from typing import Any

_MAX_CHARS = 300_000
_BOLD_WEIGHT = 600
_BOLD_NAME = re.compile(rb"bold|black|heavy|demi|-medi|cmbx|cmssbx", re.IGNORECASE)
# PDFium marks a hyphen at the end of a line with a control character, of one kind or another.
_SOFT_HYPHEN = "\x02\xad\ufffe"
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Line:
    """Hold one line of text as PDFium sees it."""

    text: str
    left: float
    bottom: float
    right: float
    top: float
    size: float
    """Height of the font's box in points: comparable within a document, whatever the font."""
    bold: bool
    hyphen: bool
    """The last word goes on in the next line; its hyphen is already taken off."""


def read_lines(page: Any) -> list[Line]:
    """Return the lines of a page in PDFium's reading order; lines without words are left out."""
    text_page = page.get_textpage()
    try:
        num_chars = min(text_page.count_chars(), _MAX_CHARS)
        text = text_page.get_text_range(0, num_chars) if num_chars > 0 else ""
        return _lines(text_page, text)
    finally:
        text_page.close()


def line_box(line: Line) -> tuple[float, float, float, float]:
    """Return left, bottom, right, top."""
    return line.left, line.bottom, line.right, line.top


def _lines(text_page: Any, text: str) -> list[Line]:
    lines: list[Line] = []
    start = 0
    for raw in text.split("\n"):
        line = _line(text_page, raw, start)
        if line is not None:
            lines.append(line)
        start += _num_units(raw) + 1
    return lines


def _num_units(text: str) -> int:
    """Return the length in UTF-16, in which PDFium counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _line(text_page: Any, raw: str, start: int) -> Line | None:
    stripped = raw.strip()
    hyphen = bool(stripped) and stripped[-1] in _SOFT_HYPHEN
    text = _CONTROL.sub("", stripped.rstrip(_SOFT_HYPHEN)).strip()
    if not text:
        return None
    offset = len(raw) - len(raw.lstrip())
    samples = _samples(raw, offset, offset + len(stripped) - 1)
    boxes = [box for index in samples if (box := _box(text_page, start + index)) is not None]
    if not boxes:
        return None
    lefts, bottoms, rights, tops = zip(*boxes, strict=True)
    sizes = sorted(top - bottom for _, bottom, _, top in boxes)
    return Line(
        text=text,
        left=min(lefts),
        bottom=min(bottoms),
        right=max(rights),
        top=max(tops),
        size=sizes[len(sizes) // 2],
        bold=_is_bold(text_page, start + samples[len(samples) // 2]),
        hyphen=hyphen,
    )


def _samples(raw: str, first: int, last: int) -> list[int]:
    """Return where the first, a middle and the last visible character stand."""
    middle = (first + last) // 2
    while middle < last and raw[middle].isspace():
        middle += 1
    while last > first and raw[last] in _SOFT_HYPHEN:
        last -= 1
    return sorted({first, min(middle, last), last})


def _box(text_page: Any, unit: int) -> tuple[float, float, float, float] | None:
    import pypdfium2.raw as pdfium

    index = pdfium.FPDFText_GetCharIndexFromTextIndex(text_page, unit)
    box = pdfium.FS_RECTF()
    if index < 0 or not pdfium.FPDFText_GetLooseCharBox(text_page, index, box):
        return None
    if box.top <= box.bottom or box.right < box.left:
        return None
    return box.left, box.bottom, box.right, box.top


def _is_bold(text_page: Any, unit: int) -> bool:
    import pypdfium2.raw as pdfium

    index = pdfium.FPDFText_GetCharIndexFromTextIndex(text_page, unit)
    if index < 0:
        return False
    if pdfium.FPDFText_GetFontWeight(text_page, index) >= _BOLD_WEIGHT:
        return True
    name, flags = ctypes.create_string_buffer(128), ctypes.c_int()
    length = pdfium.FPDFText_GetFontInfo(text_page, index, name, len(name), flags)
    return 0 < length <= len(name) and bool(_BOLD_NAME.search(name.value))
