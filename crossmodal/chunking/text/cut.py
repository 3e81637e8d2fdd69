"""Cut texts into passages: plain and marked-up text, JSON, XML, source code and logs.

Owns which structure is looked for in which media type. The bytes are read and the blocks found in
a child process (``parse``); here they become passages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from crossmodal.chunking.pieces import CutTools, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused
from crossmodal.sandbox.pool import run_in_child

if TYPE_CHECKING:
    from crossmodal.chunking.text.parse import ParsedText

REVISION = 1
"""Raised when the same bytes under the same rules would give other passages."""

_PLAIN = (
    "text/plain", "text/css", "text/javascript", "text/troff", "text/tex", "text/x-*",
    "application/*javascript", "application/ecmascript", "application/typescript",
    "application/x-sh", "application/x-csh", "application/x-shellscript", "application/x-tcl",
    "application/x-tex", "application/x-latex", "application/x-texinfo", "application/x-perl",
    "application/x-ruby", "application/x-php", "application/x-httpd-php", "application/sql",
    "application/toml", "application/yaml", "application/x-yaml",
)  # fmt: skip
_MARKDOWN = ("text/markdown", "text/x-markdown")
_HTML = ("text/html", "application/xhtml+xml")
_RST = ("text/x-rst", "text/prs.fallenstein.rst", "text/restructured")
_JSON = ("application/json", "application/ld+json", "application/geo+json")
_XML = ("application/xml", "text/xml", "application/rss+xml", "application/atom+xml")

MEDIA_PATTERNS = (*_PLAIN, *_MARKDOWN, *_HTML, *_RST, *_JSON, *_XML)
"""Media types in lower case; ``*`` stands for anything. None of them is a table's or a film's."""

_KIND_OF_TYPE = {
    media_type: kind
    for kind, media_types in (
        ("markdown", _MARKDOWN),
        ("html", _HTML),
        ("rst", _RST),
        ("json", _JSON),
        ("xml", _XML),
    )
    for media_type in media_types
}
_KIND_OF_SUFFIX = {
    "md": "markdown", "markdown": "markdown", "mdown": "markdown", "mkd": "markdown",
    "htm": "html", "html": "html", "xhtml": "html", "rst": "rst", "rest": "rst",
    "json": "json", "geojson": "json", "jsonl": "json_lines", "ndjson": "json_lines",
}  # fmt: skip


def cut(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece]:
    """Yield the passages of a text, each with the text's encoding and title among its facts.

    Raises:
        Refused: ``no_content``, ``binary``, or ``too_many_chunks`` beyond ``rules.max_chunks``.
    """
    return cut_as(_kind(source), source, rules, tools)


def cut_as(kind: str, source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece]:
    """Yield the passages of a text in which one kind of structure is looked for."""
    from crossmodal.chunking.passages.passages import passages

    parsed = _parsed(source.data, kind, rules)
    facts = {"encoding": parsed.encoding}
    if parsed.title:
        facts["title"] = parsed.title
    num_pieces = 0
    for num_pieces, piece in enumerate(passages(parsed.blocks, rules, tools), start=1):
        if num_pieces > rules.max_chunks:
            raise Refused("too_many_chunks", f"more than {rules.max_chunks} passages")
        yield replace(piece, facts=facts | piece.facts)
    if not num_pieces:
        raise Refused("no_content", "there is markup, but no text in it")


def _kind(source: Source) -> str:
    """Return the structure to look for; a name tells apart what is plain text by its content."""
    by_type = _KIND_OF_TYPE.get(source.media_type.lower().partition(";")[0].strip())
    return by_type or _KIND_OF_SUFFIX.get(source.name.rpartition(".")[2].lower(), "plain")


def _parsed(data: bytes, kind: str, rules: ChunkRules) -> ParsedText:
    from crossmodal.chunking.text.parse import ParsedText, parse

    (parsed,) = run_in_child(
        parse,
        data,
        kind,
        yields=(ParsedText,),
        max_seconds=rules.max_seconds,
        max_memory_bytes=rules.max_memory_bytes,
    )
    return parsed
