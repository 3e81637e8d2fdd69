"""Walk the XHTML of a book: headings, paragraphs and pictures in reading order.

Owns the reading of markup that may be broken; refuses to know archives or sections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import name2codepoint
from typing import Any

from crossmodal.chunking.documents.office.drawing import attribute, local
from crossmodal.chunking.documents.office.xml import parse_xml
from crossmodal.errors import Refused

_BLOCKS = {
    *("html", "body", "main", "article", "section", "aside", "header", "footer", "nav", "hgroup"),
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "div", "pre", "blockquote", "address", "hr"),
    *("ul", "ol", "li", "dl", "dt", "dd", "table", "thead", "tbody", "tfoot", "caption"),
    *("form", "fieldset", "details", "summary", "center", "figcaption"),
}
_SKIPPED = {
    *("head", "script", "style", "template", "noscript", "iframe", "object", "audio", "video"),
    *("rt", "rp", "math"),
}
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_XML_ENTITIES = {"amp", "lt", "gt", "quot", "apos"}
_ENTITY = re.compile(rb"&([A-Za-z][A-Za-z0-9]{1,10});")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]+)""")
_BREAK = "\u2028"
_SPACE = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True, slots=True)
class Heading:
    """Hold a heading; level 1 is the outermost."""

    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """Hold a paragraph, an item of a list or a row of a table."""

    text: str


@dataclass(frozen=True, slots=True)
class Image:
    """Hold a reference to a picture, as it is written."""

    target: str
    caption: str


Found = Heading | Text | Image


def walk(data: bytes, name: str) -> Iterator[Found]:
    """Yield what a file of a book shows.

    Raises:
        Refused: ``damaged`` where not even a forgiving parser finds markup.
    """
    yield from _Walk().element(_root(data, name))


def _root(data: bytes, name: str) -> Any:
    named = _ENTITY.sub(_by_number, data)
    try:
        return parse_xml(named, name)
    except Refused:
        return _forgiving_root(data, name)


def _by_number(match: re.Match[bytes]) -> bytes:
    """Write an entity of HTML so that a parser without its DTD knows it."""
    word = match[1].decode("ascii")
    if word in _XML_ENTITIES or word not in name2codepoint:
        return match[0]
    return b"&#%d;" % name2codepoint[word]


def _forgiving_root(data: bytes, name: str) -> Any:
    from lxml import etree

    declared = _ENCODING.search(data[:200])
    encoding = declared[1].decode("ascii") if declared else "utf-8"
    try:
        parser = etree.HTMLParser(
            encoding=encoding, no_network=True, huge_tree=False, remove_comments=True
        )
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError) as error:
        raise Refused("damaged", f"{name}: {' '.join(str(error).split())[:200]}") from error
    if root is None:
        raise Refused("damaged", f"{name} holds no markup")
    return root


class _Walk:
    """Gather the words between the edges of blocks."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._images: list[Image] = []

    def element(self, element: Any, level: int | None = None) -> Iterator[Found]:
        """Walk an element and what follows it inside its parent is the caller's."""
        name = local(element).lower()
        if name in _SKIPPED or not name:
            return
        level = _HEADINGS.get(name, level)
        if name in ("tr", "figure"):
            yield from self._whole(element, name)
            return
        if name in _BLOCKS:
            yield from self._flush(level)
        self._note(element, name)
        self._words.append(element.text or "")
        for child in element:
            yield from self.element(child, level)
            self._words.append(child.tail or "")
        if name in _BLOCKS:
            yield from self._flush(level)

    def _whole(self, element: Any, name: str) -> Iterator[Found]:
        """Take a row as one text, and a figure with its caption."""
        yield from self._flush(None)
        if name == "figure":
            caption = _words_of(next(element.iter("{*}figcaption"), None))
            yield from (
                Image(found.target, caption or found.caption) for found in _images_below(element)
            )
            if not caption:
                for child in element:
                    yield from self.element(child)
                yield from self._flush(None)
                return
            yield Text(caption)
            return
        cells = [_words_of(cell) for cell in element if local(cell).lower() in ("td", "th")]
        if any(cells):
            yield Text(" | ".join(cells))
        yield from _images_below(element)

    def _note(self, element: Any, name: str) -> None:
        if name == "br":
            self._words.append(_BREAK)
        elif name in ("img", "image"):
            image = _image(element)
            if image is not None:
                self._images.append(image)

    def _flush(self, level: int | None) -> Iterator[Found]:
        words, self._words = "".join(self._words), []
        images, self._images = self._images, []
        lines = (_SPACE.sub(" ", line).strip() for line in words.split(_BREAK))
        text = "\n".join(line for line in lines if line)
        if text:
            yield Heading(level, text) if level else Text(text)
        yield from images


def _images_below(element: Any) -> Iterator[Image]:
    for child in element.iter():
        if local(child).lower() in ("img", "image"):
            image = _image(child)
            if image is not None:
                yield image


def _image(element: Any) -> Image | None:
    target = attribute(element, "src") or attribute(element, "href") or ""
    if not target or target.startswith(("data:", "http:", "https:", "//")):
        return None
    return Image(target, " ".join((attribute(element, "alt") or "").split())[:1000])


def _words_of(element: Any) -> str:
    return " ".join("".join(element.itertext()).split()) if element is not None else ""
