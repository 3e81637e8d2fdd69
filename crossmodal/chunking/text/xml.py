"""Write XML as lines that a person, and a text encoder, can read.

Owns the records: each child of the root is a block, each leaf or paragraph in it a line under the
name of its element; elements inside a paragraph are part of its words. Nothing is
fetched; what is not well-formed, or expands without end, is left to be read as it is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.passages.outline import Structured

_FEED_CHARS = 65_536


def parse_xml(text: str) -> Structured | None:
    """Return one block for each record or paragraph, or None where the XML is not well-formed."""
    from lxml import etree

    reader = _Reader()
    parser = etree.XMLParser(
        target=reader, resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False
    )
    # The declaration names the encoding of the bytes, which are characters by now.
    body = text[text.find("?>") + 2 :] if text.lstrip().startswith("<?xml") else text
    try:
        for begin in range(0, len(body), _FEED_CHARS):
            parser.feed(body[begin : begin + _FEED_CHARS])
        parser.close()
    except etree.XMLSyntaxError:
        return None
    return Structured(reader.blocks)


@dataclass(slots=True)
class _Element:
    name: str
    attributes: str
    slot: int
    """Line that is kept free for the attributes."""
    words: list[str] = field(default_factory=list)
    """Its text and that of the elements inside, in order, from its first word on."""


@dataclass(slots=True)
class _Reader:
    """Receive what the parser sees: start, end, data, comment, pi, close."""

    blocks: list[Block] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    stack: list[_Element] = field(default_factory=list)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        named = (f"{_local(name)}: {value}" for name, value in attributes.items() if value.strip())
        attributes_line = "\n".join(named)
        if not self.stack:  # the root outlives the lines of its children
            self.lines.append(attributes_line)
            attributes_line = ""
        self.stack.append(_Element(_local(tag), attributes_line, len(self.lines)))
        self.lines.append("")

    def data(self, characters: str) -> None:
        if self.stack and (self.stack[-1].words or not characters.isspace()):
            self.stack[-1].words.append(characters)

    def end(self, _: str) -> None:
        element = self.stack.pop()
        text = " ".join("".join(element.words).split())
        if self.stack and self.stack[-1].words:
            self.stack[-1].words.append(text)
        else:
            if element.attributes:
                self.lines[element.slot] = element.attributes
            self.lines.append(f"{element.name}: {text}" if text else "")
        if len(self.stack) <= 1:
            self._flush()

    def _flush(self) -> None:
        text = "\n".join(line for line in self.lines if line)
        if text:
            self.blocks.append(Block(text=text))
        self.lines.clear()

    def comment(self, _: str) -> None:
        """Drop it."""

    def pi(self, target: str, data: str | None = None) -> None:
        """Drop it."""

    def close(self) -> None:
        """Return nothing: the blocks are here."""


def _local(name: str) -> str:
    return name.rpartition("}")[2]
