"""Parse EPUB books into blocks and figures, chapter after chapter; runs in the child.

Follows the spine of the package; refuses books under DRM. Obfuscated fonts are no reason to.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossmodal.chunking.documents.epub.markup import Found, Heading, Image, Text, walk
from crossmodal.chunking.documents.gallery import Gallery
from crossmodal.chunking.documents.items import Item, Wishes
from crossmodal.chunking.documents.office.drawing import attribute, local
from crossmodal.chunking.documents.office.safe_zip import SafeZip, resolve
from crossmodal.chunking.documents.office.xml import read_xml
from crossmodal.chunking.documents.outline import Outline
from crossmodal.errors import Refused

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_FONT_ALGORITHMS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")
_MARKUP = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "text/x-oeb1-document")


def parse(data: bytes, wishes: Wishes) -> Iterator[Item]:
    """Yield blocks, figures and flaws in the order of the spine."""
    archive = SafeZip(data)
    _refuse_locked(archive)
    package = _package(archive)
    root = read_xml(archive, package)
    chapters = list(_spine(root, package))
    if len(chapters) > wishes.max_pages:
        raise Refused("too_many_pages", f"{len(chapters)} files; the limit is {wishes.max_pages}")
    book = _Book(archive, Gallery(wishes))
    for number, chapter in enumerate(chapters, 1):
        try:
            yield from book.chapter(chapter, number)
        except Refused as refused:
            if refused.reason != "damaged":
                raise
            yield from book.gallery.flaw(f"chapter {number}", refused.reason, refused.detail)
    yield from book.outline.end()


class _Book:
    """Read chapters of one archive."""

    def __init__(self, archive: SafeZip, gallery: Gallery) -> None:
        self.archive = archive
        self.gallery = gallery
        self.outline = Outline()

    def chapter(self, part: str, number: int) -> Iterator[Item]:
        """Yield what a file of the spine holds."""
        position = {"chapter": number}
        num_figures = 0
        for found in walk(self.archive.read(part), part):
            if isinstance(found, Image):
                num_figures += 1
                yield from self._figure(found, part, number, num_figures)
            else:
                yield from self._words(found, position)

    def _words(self, found: Found, position: dict[str, Any]) -> Iterator[Item]:
        if isinstance(found, Heading):
            yield from self.outline.heading(found.level, found.text, position)
        elif isinstance(found, Text):
            yield from self.outline.text(found.text, position)

    def _figure(self, image: Image, part: str, chapter: int, number: int) -> Iterator[Item]:
        member = self.archive.find(resolve(part, image.target))
        if member is None or member.lower().endswith(".svg"):
            return
        label = f"chapter {chapter}, figure {number}"
        try:
            data = self.archive.read(member)
        except Refused as refused:
            if refused.reason != "damaged":
                raise
            yield from self.gallery.flaw(label, refused.reason, refused.detail)
            return
        yield from self.gallery.admit(
            data,
            label,
            caption=image.caption,
            nearby=self.outline.last_text,
            before=self.outline.before,
            section=self.outline.section,
            position={"chapter": chapter},
        )


def _refuse_locked(archive: SafeZip) -> None:
    if archive.find("META-INF/rights.xml") is not None:
        raise Refused("encrypted", "the book is under DRM")
    if archive.find(_ENCRYPTION) is None:
        return
    methods = [
        attribute(element, "Algorithm") or ""
        for element in read_xml(archive, _ENCRYPTION).iter("{*}EncryptionMethod")
    ]
    if any(method not in _FONT_ALGORITHMS for method in methods):
        raise Refused("encrypted", "the book is under DRM")


def _package(archive: SafeZip) -> str:
    """Return the member that lists the book's files."""
    if archive.find(_CONTAINER) is not None:
        for element in read_xml(archive, _CONTAINER).iter("{*}rootfile"):
            path = attribute(element, "full-path")
            if path:
                return path
    for name in archive.names():
        if name.lower().endswith(".opf"):
            return name
    raise Refused("damaged", "the archive names no package of a book")


def _spine(root: Any, package: str) -> Iterator[str]:
    """Yield the members of the spine, but for the table of contents."""
    items = {
        attribute(element, "id"): element
        for element in root.iter("{*}item")
        if attribute(element, "media-type") in _MARKUP
    }
    for reference in root.iter("{*}itemref"):
        item = items.get(attribute(reference, "idref"))
        if item is None or "nav" in (attribute(item, "properties") or "").split():
            continue
        if local(item.getparent()) == "manifest":
            yield resolve(package, attribute(item, "href") or "")
