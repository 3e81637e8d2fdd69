"""Parse slides (PPTX) into blocks and figures, a page a slide; runs in the child.

A slide's title is its section; what stands on layouts and masters is decoration. Reads the XML
itself, shapes in the order in which they are drawn. Slides are not rendered: that takes a whole
office suite.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossmodal.chunking.documents.gallery import Gallery, looks_like_caption
from crossmodal.chunking.documents.items import Item, Wishes
from crossmodal.chunking.documents.office.drawing import attribute, images_in, local
from crossmodal.chunking.documents.office.safe_zip import SafeZip
from crossmodal.chunking.documents.office.xml import main_part, read_xml, relations
from crossmodal.chunking.documents.outline import Outline
from crossmodal.errors import Refused

_TITLES = {"title", "ctrTitle"}
_NO_CONTENT = {"dt", "ftr", "sldNum", "hdr", "sldImg"}
_MAX_NEARBY = 600


def parse(data: bytes, wishes: Wishes) -> Iterator[Item]:
    """Yield blocks, figures and flaws, slide after slide."""
    archive = SafeZip(data)
    part = main_part(archive, "ppt/presentation.xml")
    root, related = read_xml(archive, part), relations(archive, part)
    entries = root.findall("{*}sldIdLst/{*}sldId")
    if len(entries) > wishes.max_pages:
        raise Refused("too_many_pages", f"{len(entries)} slides; the limit is {wishes.max_pages}")
    deck = _Deck(archive, Gallery(wishes), Outline())
    for page, entry in enumerate(entries, 1):
        _, target = related.get(_relation_id(entry), ("", ""))
        try:
            yield from deck.slide(target, page)
        except Refused as refused:
            if refused.reason != "damaged":
                raise
            yield from deck.gallery.flaw(f"page {page}", refused.reason, refused.detail)
    yield from deck.outline.end()


class _Deck:
    """Read slides of one archive."""

    def __init__(self, archive: SafeZip, gallery: Gallery, outline: Outline) -> None:
        self.archive = archive
        self.gallery = gallery
        self.outline = outline

    def slide(self, part: str, page: int) -> Iterator[Item]:
        """Yield what stands on a slide, then its pictures, then the speaker's notes."""
        root, related = read_xml(self.archive, part), relations(self.archive, part)
        shapes = [shape for shape in _shapes(root) if _placeholder(shape) not in _NO_CONTENT]
        title = next((_text(shape) for shape in shapes if _placeholder(shape) in _TITLES), "")
        yield from self.outline.leave()
        yield from self.outline.heading(1, title, {"page": page})
        texts = [
            text
            for shape in shapes
            if _placeholder(shape) not in _TITLES
            for text in (_rows(shape) or [_text(shape)])
            if text
        ]
        for text in texts:
            yield from self.outline.text(text, {"page": page})
        yield from self._figures(root, related, texts, page)
        for kind, target in related.values():
            if kind == "notesSlide":
                yield from self._notes(target, page)

    def _figures(
        self, root: Any, related: dict[str, tuple[str, str]], texts: list[str], page: int
    ) -> Iterator[Item]:
        for number, image in enumerate(images_in(root), 1):
            kind, target = related.get(image.relation, ("", ""))
            if kind != "image":
                continue
            part = f"page {page}, figure {number}"
            try:
                data = self.archive.read(target)
            except Refused as refused:
                if refused.reason != "damaged":
                    raise
                yield from self.gallery.flaw(part, refused.reason, refused.detail)
                continue
            captions = [text for text in texts if looks_like_caption(text)]
            yield from self.gallery.admit(
                data,
                part,
                caption=image.description or (captions[0] if len(captions) == 1 else ""),
                nearby="\n".join([*self.outline.section, *texts])[:_MAX_NEARBY],
                before=self.outline.before,
                section=self.outline.section,
                position={"page": page},
            )

    def _notes(self, part: str, page: int) -> Iterator[Item]:
        root = read_xml(self.archive, part)
        for shape in _shapes(root):
            if _placeholder(shape) == "body":
                yield from self.outline.text(_text(shape), {"page": page}, {"note": True})


def _relation_id(entry: Any) -> str:
    """Return the relation of a slide's entry; its plain ``id`` is something else."""
    return next((str(value) for key, value in entry.attrib.items() if key.endswith("}id")), "")


def _shapes(root: Any) -> Iterator[Any]:
    """Yield the shapes and frames in drawing order, those of groups too."""
    for child in root:
        name = local(child)
        if name in ("sp", "graphicFrame"):
            yield child
        elif name != "Fallback":
            yield from _shapes(child)


def _placeholder(shape: Any) -> str:
    """Return the role that a shape fills on its layout; empty where it fills none."""
    holder = shape.find("{*}nvSpPr/{*}nvPr/{*}ph")
    return (attribute(holder, "type") or "body") if holder is not None else ""


def _text(shape: Any) -> str:
    """Return the paragraphs of a shape, a line each."""
    lines = ("".join(_runs(paragraph)).strip() for paragraph in shape.iter("{*}p"))
    return "\n".join(line for line in lines if line)


def _runs(paragraph: Any) -> Iterator[str]:
    for element in paragraph.iter():
        name = local(element)
        if name == "t":
            yield element.text or ""
        elif name in ("br", "tab"):
            yield " "


def _rows(shape: Any) -> list[str]:
    """Return the rows of a table, or nothing where the shape is none."""
    return [
        " | ".join(_text(cell).replace("\n", " ") for cell in row.iterfind("{*}tc"))
        for row in shape.iter("{*}tr")
    ]
