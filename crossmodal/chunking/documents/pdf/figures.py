"""Turn the figures of a PDF page into pictures with their captions; runs in the child.

Owns which words belong to a figure. A figure is drawn as it is seen on the page, so that masks,
colours, turns and the labels on top of it come out right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crossmodal.chunking.documents.gallery import Gallery, is_decoration, looks_like_caption
from crossmodal.chunking.documents.items import Flaw, Picture, Wishes
from crossmodal.chunking.documents.outline import BEFORE, Outline
from crossmodal.chunking.documents.pdf.paragraphs import Paragraph
from crossmodal.chunking.documents.pdf.regions import Box, Region, overlap, size_of
from crossmodal.chunking.documents.pdf.render import draw_part, place
from crossmodal.chunking.documents.pdf.survey import image_digest

if TYPE_CHECKING:
    from PIL import Image

_MAX_FIGURES = 60
_CAPTION_POINTS = 60.0
_NEAR_POINTS = 150.0
_MIN_NEARBY, _MAX_NEARBY = 25, 300


@dataclass(frozen=True, slots=True)
class PageView:
    """Hold a page and what is known of it; ``number`` counts from 0."""

    page: Any
    number: int
    area: Box
    paragraphs: list[Paragraph]

    @property
    def text(self) -> str:
        """Return all words of the page."""
        return "\n".join(paragraph.text for paragraph in self.paragraphs)


class FigureFinder:
    """Draw the regions of pages that are figures, each picture once a document."""

    def __init__(self, repeated: set[bytes], gallery: Gallery, wishes: Wishes) -> None:
        self._repeated = repeated
        self._gallery = gallery
        self._wishes = wishes

    def on_page(
        self, view: PageView, regions: list[Region], outline: Outline
    ) -> Iterator[Picture | Flaw]:
        """Yield the figures of a page from top to bottom."""
        import pypdfium2

        for number, region in enumerate(regions[:_MAX_FIGURES], 1):
            try:
                yield from self._figure(view, region, outline)
            except (pypdfium2.PdfiumError, ValueError, ArithmeticError) as error:
                part = f"page {view.number + 1}, figure {number}"
                yield from self._gallery.flaw(part, "damaged", str(error))

    def _figure(self, view: PageView, region: Region, outline: Outline) -> Iterator[Picture]:
        size = _native_size(region)
        if is_decoration(*size) or not self._is_new(region):
            return
        part = place(view.page, region.box)
        image = draw_part(view.page, part, self._wishes, _native_scale(region))
        pixels = image.tobytes()
        if is_blank(image) or not self._gallery.is_new(pixels):
            return
        caption = _caption(view.paragraphs, region.box)
        above = _nearest(view.paragraphs, region.box, above=True)
        below = _nearest(view.paragraphs, region.box, above=False)
        before = caption or above
        near = [p.text[:_MAX_NEARBY] for p in (above, below) if p and p is not caption]
        width, height = size if region.images else image.size
        yield Picture(
            kind="figure",
            rgb=pixels,
            width=image.width,
            height=image.height,
            caption=caption.text if caption else "",
            nearby="\n".join(near),
            before=before.text[-BEFORE:] if before else "",
            section=outline.section,
            position={"page": view.number + 1, "box": list(part)},
            facts={"width": round(width), "height": round(height)},
        )

    def _is_new(self, region: Region) -> bool:
        """Return whether a figure of one image is neither repeated nor shown before."""
        if len(region.images) != 1:
            return True
        digest = image_digest(region.images[0][1])
        return digest not in self._repeated and self._gallery.is_new(digest)


def is_blank(image: Image.Image) -> bool:
    """Return whether a picture has one colour only."""
    return all(band.getextrema()[0] == band.getextrema()[1] for band in image.split())


def _native_size(region: Region) -> tuple[float, float]:
    """Return the size in the pixels that the file holds; of drawings, and tiles, in points."""
    if len(region.images) == 1:
        width, height = region.images[0][1].get_px_size()
        return float(width), float(height)
    scale = _native_scale(region) or 2.0
    left, bottom, right, top = region.box
    return (right - left) * scale, (top - bottom) * scale


def _native_scale(region: Region) -> float | None:
    """Return pixels a point of the finest image; None where there is no image."""
    scales = [
        max(image.get_px_size()) / max(box[2] - box[0], box[3] - box[1])
        for box, image in region.images
    ]
    return max(scales, default=None)


def _caption(page: list[Paragraph], box: Box) -> Paragraph | None:
    near = [
        (_distance(paragraph.box, box), index)
        for index, paragraph in enumerate(page)
        if looks_like_caption(paragraph.text) and _shares_columns(paragraph.box, box)
    ]
    if not near or min(near)[0] > _CAPTION_POINTS:
        return None
    return page[min(near)[1]]


def _nearest(page: list[Paragraph], box: Box, *, above: bool) -> Paragraph | None:
    middle = (box[1] + box[3]) / 2
    near = [
        (_distance(paragraph.box, box), index)
        for index, paragraph in enumerate(page)
        if (paragraph.box[1] >= middle) == above
        and _shares_columns(paragraph.box, box)
        and _is_running_text(paragraph, box)
    ]
    if not near or min(near)[0] > _NEAR_POINTS:
        return None
    return page[min(near)[1]]


def _is_running_text(paragraph: Paragraph, box: Box) -> bool:
    """Return whether a paragraph is neither a label on the figure nor a caption."""
    text = paragraph.text
    if len(text) < _MIN_NEARBY or looks_like_caption(text):
        return False
    return overlap(paragraph.box, box) < 0.5 * size_of(paragraph.box)


def _distance(a: Box, b: Box) -> float:
    return max(0.0, a[1] - b[3], b[1] - a[3])


def _shares_columns(a: Box, b: Box) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0])
