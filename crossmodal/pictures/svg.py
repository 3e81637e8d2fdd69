"""Draw SVG with resvg, where crossmodal[svg] is installed; runs in the child.

A drawing that names files or addresses is drawn without them: only what lies in it belongs to it.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from math import isfinite
from typing import Any

from crossmodal.errors import Refused

_SIDE = 1024
"""Pixels of the longer side: more than any encoder looks at."""
_MAX_RATIO = 64
_ELEMENT = re.compile(rb"<[a-zA-Z]")
_NUMBER = re.compile(r"\s*([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*(px|pt|pc|mm|cm|in)?\s*")
_HREFS = ("href", "{http://www.w3.org/1999/xlink}href")


@cache
def draws_svg() -> bool:
    """Say whether SVG can be drawn here."""
    return find_spec("resvg_py") is not None


def is_svg(head: bytes) -> bool:
    """Say whether the first element is an ``svg``; a page may hold one further down."""
    if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return False
    first = _ELEMENT.search(head)
    return first is not None and head[first.start() :].startswith((b"<svg ", b"<svg>", b"<svg\n"))


def draw_svg(data: bytes) -> bytes:
    """Return the drawing as PNG on white, its longer side 1,024 pixels.

    Raises:
        Refused: it cannot be drawn here, is damaged, or has no shape that fits a picture.
    """
    if not draws_svg():
        raise Refused("unsupported_format", "SVG is drawn by crossmodal[svg], which is not here")
    import resvg_py
    from lxml import etree

    root = _parsed(data)
    wide, tall = _sides(root)
    _leave_out_foreign(root)
    try:
        drawn: bytes = resvg_py.svg_to_bytes(
            svg_string=etree.tostring(root, encoding="unicode"),
            background="#ffffff",
            dpi=96,
            width=wide,
            height=tall,
        )
    except ValueError as error:
        raise Refused("decoder_error", "begins like SVG but cannot be drawn") from error
    return drawn


def _parsed(data: bytes) -> Any:
    from lxml import etree

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Refused("decoder_error", "begins like SVG but is damaged or cut off") from error
    # A document type may hold entities that unfold without end; without it they are nothing.
    return etree.fromstring(etree.tostring(root, with_tail=False), parser)


def _sides(root: Any) -> tuple[int | None, int | None]:
    """Return the length of the longer side, and None for the other, which follows."""
    width, height = _size(root)
    if not (width > 0 and height > 0):
        raise Refused("no_content", "the drawing has no size")
    if not isfinite(width + height) or max(width, height) / min(width, height) > _MAX_RATIO:
        shape = f"{width:g} x {height:g}"
        raise Refused("unsupported_format", f"a drawing of {shape} is too long and thin to look at")
    return (_SIDE, None) if width >= height else (None, _SIDE)


def _size(root: Any) -> tuple[float, float]:
    named = [_NUMBER.fullmatch(root.get(name, "")) for name in ("width", "height")]
    if named[0] and named[1]:
        return float(named[0][1]), float(named[1][1])
    box = [_NUMBER.fullmatch(side) for side in re.split(r"[\s,]+", root.get("viewBox", "").strip())]
    if len(box) == 4 and box[2] and box[3]:
        return float(box[2][1]), float(box[3][1])
    return 100.0, 100.0


def _leave_out_foreign(root: Any) -> None:
    for element in list(root.iter()):
        foreign = [
            name for name in _HREFS if not element.get(name, "#").strip().startswith(("#", "data:"))
        ]
        for name in foreign:
            del element.attrib[name]
