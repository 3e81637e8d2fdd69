"""Read the bytes of a text and find its blocks; runs in the child.

Owns which parser finds the structure of which kind of text. Structure that cannot be found, in a
damaged or hostile text, costs the structure and never the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmodal.chunking.passages.blocks import Block

if TYPE_CHECKING:
    from crossmodal.chunking.passages.outline import Structured


@dataclass(frozen=True, slots=True)
class ParsedText:
    """Hold the blocks of a text; the title is empty where there is none."""

    encoding: str
    title: str
    blocks: list[Block]


def parse(data: bytes, kind: str) -> Iterator[ParsedText]:
    """Yield one parsed text; a kind without a parser is plain.

    Raises:
        Refused: ``no_content`` or ``binary``.
    """
    from crossmodal.chunking.text.encoding import decode_text

    decoded = decode_text(data)
    parser = _parser(kind)
    found = parser(decoded.text) if parser else None
    if found is None:
        whole = Block(text=decoded.text, position={"chars": [0, len(decoded.text)]})
        yield ParsedText(decoded.encoding, "", [whole])
    else:
        yield ParsedText(decoded.encoding, found.title, found.blocks)


def _parser(kind: str) -> Callable[[str], Structured | None] | None:
    from crossmodal.chunking.text import html, json, markdown, rst, xml

    parsers: dict[str, Callable[[str], Structured | None]] = {
        "markdown": markdown.parse_markdown,
        "html": html.parse_html,
        "rst": rst.parse_rst,
        "json": json.parse_json,
        "json_lines": json.parse_json_lines,
        "records": json.parse_records,
        "xml": xml.parse_xml,
    }
    return parsers.get(kind)
