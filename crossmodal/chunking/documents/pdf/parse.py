"""Parse PDF files into blocks, figures and page images with PDFium; runs in the child.

Owns the order of things on a page and when a page counts as a picture of text. A page or figure
that fails is a flaw; the rest of the document goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossmodal.chunking.documents.gallery import Gallery
from crossmodal.chunking.documents.items import Item, Picture, Wishes
from crossmodal.chunking.documents.outline import Outline
from crossmodal.chunking.documents.pdf.fields import open_form, read_fields
from crossmodal.chunking.documents.pdf.figures import FigureFinder, PageView, is_blank
from crossmodal.chunking.documents.pdf.headings import HeadingFinder
from crossmodal.chunking.documents.pdf.lines import read_lines
from crossmodal.chunking.documents.pdf.paragraphs import paragraphs
from crossmodal.chunking.documents.pdf.regions import (
    PageObjects,
    Region,
    figure_regions,
    read_objects,
)
from crossmodal.chunking.documents.pdf.render import draw_page, visible_area
from crossmodal.chunking.documents.pdf.survey import survey
from crossmodal.errors import Refused

_PASSWORD, _SECURITY = 4, 5
_MIN_LETTERS = 16
_MIN_LETTER_SHARE = 0.4
_MAX_NEARBY = 600


def parse(data: bytes, wishes: Wishes) -> Iterator[Item]:
    """Yield blocks, pictures and flaws, page after page."""
    document = _open(data)
    num_pages = len(document)
    if num_pages > wishes.max_pages:
        raise Refused("too_many_pages", f"{num_pages} pages; the limit is {wishes.max_pages}")
    if num_pages == 0:
        raise Refused("no_content", "the document has no pages")
    yield from _Reader(document, wishes).pages()


def _open(data: bytes) -> Any:
    import pypdfium2

    if not data:
        raise Refused("empty", "the file has no bytes")
    _forget_last_error()
    try:
        document = pypdfium2.PdfDocument(data)
        open_form(document)
        return document
    except pypdfium2.PdfiumError as error:
        if error.err_code == _PASSWORD:
            raise Refused("encrypted", "the document wants a password") from error
        if error.err_code == _SECURITY:
            raise Refused("encrypted", "its encryption is unknown or damaged") from error
        raise Refused("damaged", f"PDFium cannot open it: {error}") from error


def _forget_last_error() -> None:
    """Make PDFium's last error "format": some failures set none, and that of another file stays."""
    import pypdfium2.raw as pdfium

    if document := pdfium.FPDF_LoadMemDocument64(b"x", 1, None):
        pdfium.FPDF_CloseDocument(document)


class _Reader:
    """Read the pages of one document in order."""

    def __init__(self, document: Any, wishes: Wishes) -> None:
        self._document = document
        self._wishes = wishes
        self._survey = survey(document)
        self._headings = HeadingFinder(document, self._survey.body_size)
        self._outline = Outline()
        self._gallery = Gallery(wishes)
        self._figures = FigureFinder(self._survey.repeated_images, self._gallery, wishes)

    def pages(self) -> Iterator[Item]:
        """Yield what is on all pages."""
        import pypdfium2

        for number in range(len(self._document)):
            try:
                page = self._document[number]
                try:
                    yield from self._page(page, number)
                finally:
                    page.close()
            except (pypdfium2.PdfiumError, ValueError, ArithmeticError) as error:
                yield from self._gallery.flaw(f"page {number + 1}", "damaged", str(error))
        yield from self._outline.end()

    def _page(self, page: Any, number: int) -> Iterator[Item]:
        lines = self._survey.without_running(read_lines(page))
        view = PageView(page, number, visible_area(page), paragraphs(lines))
        yield from self._text(view)
        for line in read_fields(page):
            yield from self._outline.text(line, {"page": number + 1})
        if not self._wishes.figures and self._wishes.page_images == "never":
            return
        objects = read_objects(page, view.area)
        is_scan = _is_scan(page, view, objects)
        is_drawn = self._wishes.page_images == "always" or (
            is_scan and self._wishes.page_images == "scanned"
        )
        if is_drawn:
            yield from self._image(view)
        if self._wishes.figures:
            regions = figure_regions(objects, lines, view.area)
            if is_scan and not is_drawn:
                regions = [Region(box, ((box, item),)) for box, item in objects.backgrounds]
            if not (is_scan and is_drawn and len(regions) < 2):  # it would be the page again
                yield from self._figures.on_page(view, regions, self._outline)

    def _text(self, view: PageView) -> Iterator[Item]:
        if _is_garbled(view.text):
            return
        position = {"page": view.number + 1}
        for headings, paragraph in self._headings.mark(view.number, view.paragraphs):
            for level, title in headings:
                yield from self._outline.heading(level, title, position)
            if paragraph is not None:
                yield from self._outline.text(paragraph.text, position)

    def _image(self, view: PageView) -> Iterator[Item]:
        image = draw_page(view.page, self._wishes)
        if is_blank(image):
            return
        yield Picture(
            kind="page_image",
            rgb=image.tobytes(),
            width=image.width,
            height=image.height,
            nearby="" if _is_garbled(view.text) else view.text[:_MAX_NEARBY],
            section=self._outline.section,
            position={"page": view.number + 1},
        )


def _is_scan(page: Any, view: PageView, objects: PageObjects) -> bool:
    """Return whether a page is a picture of text, or a picture, rather than text."""
    if not (objects.num_drawn or _has_annotations(page) or _is_garbled(view.text)):
        return False
    if _num_letters(view.text) < _MIN_LETTERS or _is_garbled(view.text):
        return True
    return bool(objects.backgrounds) and _is_text_hidden(page)


def _has_annotations(page: Any) -> bool:
    import pypdfium2.raw as pdfium

    return bool(pdfium.FPDFPage_GetAnnotCount(page) > 0)


def _num_letters(text: str) -> int:
    return sum(character.isalnum() for character in text)


def _is_garbled(text: str) -> bool:
    """Return whether a text is what a font without a map to Unicode leaves of it."""
    visible = "".join(text.split())
    return bool(visible) and _num_letters(visible) < _MIN_LETTER_SHARE * len(visible)


def _is_text_hidden(page: Any) -> bool:
    """Return whether the text was laid invisibly under a scan, as recognised text is."""
    import pypdfium2.raw as pdfium

    texts = page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT], max_depth=2)
    first = next(iter(texts), None)
    if first is None:
        return False
    mode = pdfium.FPDFTextObj_GetTextRenderMode(first)
    return bool(mode == pdfium.FPDF_TEXTRENDERMODE_INVISIBLE)
