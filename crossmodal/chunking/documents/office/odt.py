"""Parse OpenDocument texts (ODT) into blocks and figures; runs in the child.

Tracked deletions, notes to the author and the table of contents are left out. There are no pages
before a layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossmodal.chunking.documents.gallery import Gallery, looks_like_caption
from crossmodal.chunking.documents.items import Item, Wishes
from crossmodal.chunking.documents.office.drawing import attribute, local
from crossmodal.chunking.documents.office.safe_zip import SafeZip, resolve
from crossmodal.chunking.documents.office.xml import read_xml
from crossmodal.chunking.documents.outline import Outline
from crossmodal.errors import Refused

_CONTENT = "content.xml"
_MANIFEST = "META-INF/manifest.xml"
_SKIPPED = {"tracked-changes", "annotation", "table-of-content", "sequence-decls", "forms"}
_MAX_SPACES = 100


def parse(data: bytes, wishes: Wishes) -> Iterator[Item]:
    """Yield blocks, figures and flaws in document order."""
    archive = SafeZip(data)
    if archive.find(_MANIFEST) is not None:
        manifest = read_xml(archive, _MANIFEST)
        if next(manifest.iter("{*}encryption-data"), None) is not None:
            raise Refused("encrypted", "the document wants a password")
    walk = _Walk(archive, Gallery(wishes))
    body = read_xml(archive, _CONTENT).find("{*}body")
    if body is not None:
        yield from walk.container(body)
    yield from walk.outline.end()


class _Walk:
    """Hold where a walk through the body stands."""

    def __init__(self, archive: SafeZip, gallery: Gallery) -> None:
        self.outline = Outline()
        self._archive = archive
        self._gallery = gallery
        self._num_paragraphs = 0
        self._num_figures = 0

    def container(self, element: Any) -> Iterator[Item]:
        """Walk everything that may hold paragraphs."""
        for child in element:
            name = local(child)
            if name in ("p", "h"):
                yield from self._paragraph(child, is_heading=name == "h")
            elif name == "table-row":
                yield from self._row(child)
            elif name == "frame":
                yield from self._frame(child)
            elif name not in _SKIPPED:
                yield from self.container(child)

    def _paragraph(self, paragraph: Any, *, is_heading: bool) -> Iterator[Item]:
        text = _text(paragraph).strip()
        position = self._next_position()
        if is_heading:
            level = attribute(paragraph, "outline-level") or "1"
            yield from self.outline.heading(int(level) if level.isdigit() else 1, text, position)
        else:
            yield from self.outline.text(text, position)
        for frame in _outermost_frames(paragraph):
            yield from self._frame(frame)

    def _row(self, row: Any) -> Iterator[Item]:
        cells = [" ".join(_text(cell).split()) for cell in row.iterfind("{*}table-cell")]
        if any(cells):
            yield from self.outline.text(" | ".join(cells), self._next_position())
        for frame in _outermost_frames(row):
            yield from self._frame(frame)

    def _next_position(self) -> dict[str, Any]:
        self._num_paragraphs += 1
        return {"paragraph": self._num_paragraphs}

    def _frame(self, frame: Any) -> Iterator[Item]:
        """Yield a picture, or the text of a box with the pictures whose caption it may be."""
        image = frame.find("{*}image")
        if image is not None:
            yield from self._image(frame, attribute(image, "href") or "")
        for box in frame.iterfind("{*}text-box"):
            yield from self.container(box)

    def _image(self, frame: Any, target: str) -> Iterator[Item]:
        self._num_figures += 1
        member = self._archive.find(resolve(_CONTENT, target))
        if member is None:
            return
        part = f"figure {self._num_figures}"
        try:
            data = self._archive.read(member)
        except Refused as refused:
            if refused.reason != "damaged":
                raise
            yield from self._gallery.flaw(part, refused.reason, refused.detail)
            return
        yield from self._gallery.admit(
            data,
            part,
            caption=_caption(frame),
            nearby=self.outline.last_text,
            before=self.outline.before,
            section=self.outline.section,
            position={"paragraph": self._num_paragraphs},
        )


def _caption(frame: Any) -> str:
    """Return the caption in the box around a picture, or its description."""
    box = frame.getparent()
    text = " ".join(_text(box).split()) if box is not None else ""
    if looks_like_caption(text):
        return text
    for name in ("desc", "title"):
        found = frame.find("{*}" + name)
        if found is not None and (found.text or "").strip():
            return " ".join(str(found.text).split())
    return ""


def _text(element: Any) -> str:
    """Return the text below an element without that of frames and comments."""
    parts = [element.text or ""]
    for child in element:
        name = local(child)
        if name == "s":
            count = attribute(child, "c") or "1"
            parts.append(" " * min(int(count) if count.isdigit() else 1, _MAX_SPACES))
        elif name in ("tab", "line-break"):
            parts.append("\t" if name == "tab" else "\n")
        elif name not in _SKIPPED and name != "frame":
            parts.append(_text(child))
            if name == "p":
                parts.append("\n")
        parts.append(child.tail or "")
    return "".join(parts)


def _outermost_frames(element: Any) -> Iterator[Any]:
    for child in element:
        if local(child) == "frame":
            yield child
        else:
            yield from _outermost_frames(child)
