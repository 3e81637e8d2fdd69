"""Draw a page of a PDF, or a part of it, as small as it is needed; runs in the child.

Owns scale, rotation and the place of a box as a person sees the page. Bitmaps are bounded whatever
size the page claims.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossmodal.chunking.documents.items import Wishes
from crossmodal.chunking.documents.pdf.regions import Box
from crossmodal.pictures.fractions import Fractions

if TYPE_CHECKING:
    from PIL import Image

_MIN_PAGE_SIDE = 400
_USUAL_SIDE = 800
_MAX_ASPECT = 6
_UNITS = 100_000
_MARGIN = 3.0


def visible_area(page: Any) -> Box:
    """Return the page's crop box, within its media box."""
    box: Box = page.get_cropbox()
    left, right = sorted((box[0], box[2]))
    bottom, top = sorted((box[1], box[3]))
    return left, bottom, right, top


def place(page: Any, box: Box) -> Fractions:
    """Return where a box in page coordinates is seen, turned and cropped as the page is."""
    corners = [_seen(page, box[0], box[1]), _seen(page, box[2], box[3])]
    across, down = sorted(x for x, _ in corners), sorted(y for _, y in corners)
    return _share(across[0]), _share(down[0]), _share(across[1]), _share(down[1])


def _seen(page: Any, x: float, y: float) -> tuple[int, int]:
    import ctypes

    import pypdfium2.raw as pdfium

    across, down = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDF_PageToDevice(page, 0, 0, _UNITS, _UNITS, 0, x, y, across, down)
    return across.value, down.value


def _share(units: int) -> float:
    return round(min(max(units / _UNITS, 0.0), 1.0), 4)


def draw_page(page: Any, wishes: Wishes) -> Image.Image:
    """Return the whole page as RGB."""
    side = max(_MIN_PAGE_SIDE, wishes.picture_side or _USUAL_SIDE)
    return _draw(page, _scale(page.get_width(), page.get_height(), side, wishes), (0, 0, 1, 1))


def draw_part(page: Any, part: Fractions, wishes: Wishes, native: float | None) -> Image.Image:
    """Return a part of the page as RGB, drawn no larger than its ``native`` pixels a point."""
    side = wishes.picture_side or _USUAL_SIDE
    page_width, page_height = page.get_width(), page.get_height()
    part = _with_margin(part, page_width, page_height) if native is None else part
    width, height = (part[2] - part[0]) * page_width, (part[3] - part[1]) * page_height
    scale = _scale(width, height, side, wishes)
    return _draw(page, min(scale, max(native, 1.0)) if native else scale, part)


def _with_margin(part: Fractions, width: float, height: float) -> Fractions:
    """Widen the box of a drawing, whose strokes are thicker than their paths."""
    return (
        max(0.0, part[0] - _MARGIN / width),
        max(0.0, part[1] - _MARGIN / height),
        min(1.0, part[2] + _MARGIN / width),
        min(1.0, part[3] + _MARGIN / height),
    )


def _scale(width: float, height: float, side: int, wishes: Wishes) -> float:
    """Return pixels a point that give the shorter side its length, within bounds."""
    short, long = sorted((max(width, 0.01), max(height, 0.01)))
    largest: float = (wishes.max_megapixels * 1e6 / (short * long)) ** 0.5
    return min(side / short, _MAX_ASPECT * side / long, largest)


def _draw(page: Any, scale: float, part: Fractions) -> Image.Image:
    width, height = page.get_width(), page.get_height()
    crop = (
        part[0] * width,
        (1 - part[3]) * height,
        (1 - part[2]) * width,
        part[1] * height,
    )
    bitmap = page.render(scale=scale, crop=crop, rev_byteorder=True, may_draw_forms=False)
    try:
        image: Image.Image = bitmap.to_pil().convert("RGB").copy()
        return image
    finally:
        bitmap.close()
