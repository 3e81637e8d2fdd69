"""Find headings, paragraphs, tables and the words of pictures in HTML.

Owns which elements carry no content and which end a line. lxml reports elements one by one
(libxml2's HTML parser) and builds no tree, so that a million nested elements cost no more than a
million in a row; nothing outside the text is fetched.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field, replace

from crossmodal.chunking.passages.outline import Outline, Structured

_FEED_CHARS = 65_536
_SILENT = (
    " style script nav template noscript svg math iframe object embed canvas audio video select"
    " datalist button head "
)
_BLOCKS = (
    " address article aside blockquote body caption center details dialog dir div dl fieldset"
    " figcaption figure footer form header hr html legend main menu ol p pre section summary"
    " table tbody tfoot thead ul "
)
_LINES = {"br": "\n", "tr": "\n", "li": "\n- ", "dt": "\n", "dd": "\n"}
_WHOLES = ("table", "ul", "ol", "dl")
"""Elements that are one block, with all that is in them but headings."""
_CELLS = frozenset(("td", "th"))
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLANKS = re.compile(r"\s+")


def parse_html(text: str) -> Structured:
    """Return one block for each paragraph, item, table or preformatted text.

    A title that the first heading does not repeat is the outermost section. Blocks have no
    position: characters of the markup would mean nothing to a reader.
    """
    from lxml import etree

    reader = _Reader()
    parser = etree.HTMLParser(target=reader, huge_tree=True, recover=True, no_network=True)
    with suppress(etree.XMLSyntaxError):  # raised where there is no element at all
        for begin in range(0, len(text), _FEED_CHARS):
            parser.feed(text[begin : begin + _FEED_CHARS])
        parser.close()
    return reader.structured()


@dataclass(slots=True)
class _Reader:
    """Receive what the parser sees: start, end, data, close."""

    outline: Outline = field(default_factory=Outline)
    title: list[str] = field(default_factory=list)
    line: list[str] = field(default_factory=list)
    """Pieces of the paragraph, heading or table that is being read."""
    silent_depth: int = 0
    whole_depth: int = 0
    """Tables and lists that are open."""
    pre_depth: int = 0
    in_title: bool = False
    heading_level: int = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "title" and not self.title:
            self.in_title = True
        elif tag == "body":
            self.silent_depth = 0
        elif f" {tag} " in _SILENT:
            self.silent_depth += 1
        elif not self.silent_depth:
            self._open(tag)
            words = attributes.get("alt", "")
            if words.strip():
                self.line.append(f" {words} ")

    def _open(self, tag: str) -> None:
        if tag in _HEADINGS or tag == "pre":
            self._flush()
            self.heading_level = _HEADINGS.get(tag, 0)
            self.pre_depth += tag == "pre"
        else:
            self._boundary(tag)
            self.whole_depth += tag in _WHOLES

    def end(self, tag: str) -> None:
        if tag == "title":
            self.in_title = False
        elif f" {tag} " in _SILENT:
            self.silent_depth = max(0, self.silent_depth - 1)
        elif not self.silent_depth:
            self._close(tag)

    def _close(self, tag: str) -> None:
        if tag in _HEADINGS or tag == "pre":
            self._flush()
            self.pre_depth = max(0, self.pre_depth - (tag == "pre"))
        elif tag not in _LINES and tag not in _CELLS:
            if tag in _WHOLES:
                self.whole_depth = max(0, self.whole_depth - 1)
            self._boundary(tag)

    def data(self, characters: str) -> None:
        if self.in_title:
            self.title.append(characters)
        elif not self.silent_depth:
            self.line.append(characters if self.pre_depth else _BLANKS.sub(" ", characters))

    def comment(self, _: str) -> None:
        """Drop it."""

    def close(self) -> None:
        self._flush()

    def _boundary(self, tag: str) -> None:
        """End what an element ends: a cell, a line or, outside of lists and tables, the block."""
        if tag in _CELLS:
            self.line.append(" | ")
        elif tag in _LINES:
            self.line.append(_LINES[tag])
        elif f" {tag} " in _BLOCKS:
            if self.whole_depth or self.heading_level:
                self.line.append(" ")
            else:
                self._flush()

    def _flush(self) -> None:
        text = "".join(self.line)
        self.line.clear()
        if not self.pre_depth:
            lines = map(_tidy, text.split("\n"))
            text = "\n".join(line for line in lines if line not in ("", "-", "|"))
        if self.heading_level:
            self.outline.enter(self.heading_level, text)
            self.heading_level = 0
        else:
            self.outline.add(text.strip("\n"))

    def structured(self) -> Structured:
        title = _BLANKS.sub(" ", "".join(self.title)).strip()
        blocks = self.outline.finish()
        first_heading = next((block.section[0] for block in blocks if block.section), "")
        if title and not (first_heading and first_heading in title):
            blocks = [replace(block, section=(title, *block.section)) for block in blocks]
        return Structured(blocks, title)


def _tidy(line: str) -> str:
    return _BLANKS.sub(" ", line).strip().removeprefix("| ")
