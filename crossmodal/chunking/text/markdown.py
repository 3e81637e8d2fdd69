"""Find headings and blocks in Markdown.

Owns what of the markup is dropped: addresses of links and pictures (their words stay), and tags.
All else stays as written, for code, lists and tables read well as they are. Only the block
structure is parsed, by markdown-it, because its inline rules are slow on hostile text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from crossmodal.chunking.passages.outline import Outline, Structured, line_starts

if TYPE_CHECKING:
    from markdown_it.token import Token

_MAX_CHARS = 2_000_000
"""Beyond it the text is taken without its structure, which costs seconds a megabyte."""
_FRONT_MATTER = re.compile(r"\A---\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
_TITLE = re.compile(r"^title:[ \t]*[\"']?(.{1,300}?)[\"']?[ \t]*$", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\[\]\n]{0,1000})\](?:\([^()\s]{0,2000}(?:[ \t]+\"[^\"\n]{0,500}\")?\))")
_TAG = re.compile(r"</?[A-Za-z][^<>\n]{0,500}>|<!--.{0,2000}?-->", re.DOTALL)
_VERBATIM = {"fence", "code_block"}


def parse_markdown(text: str) -> Structured:
    """Return one block for each paragraph, list, table, quotation or code, with its chars."""
    if len(text) > _MAX_CHARS:
        outline = Outline()
        outline.add(text, {"chars": [0, len(text)]})
        return Structured(outline.finish())
    head = _FRONT_MATTER.match(text)
    outline = Outline()
    if head:
        outline.add(head[1], {"chars": list(head.span(1))})
    body = head.end() if head else 0
    first_heading = _add_blocks(text[body:], body, outline)
    named = _TITLE.search(head[1]) if head else None
    return Structured(outline.finish(), named[1] if named else first_heading)


def _add_blocks(text: str, shift: int, outline: Outline) -> str:
    """Add the blocks of a text that begins at ``shift``, and return the first top heading."""
    lines = line_starts(text)
    title = ""
    tokens = _tokens(text)
    for token, following in zip(tokens, [*tokens[1:], None], strict=False):
        if token.level or not token.map or token.nesting < 0:
            continue
        begin, stop = lines[token.map[0]], lines[min(token.map[1], len(lines) - 1)]
        stop = begin + len(text[begin:stop].rstrip())
        position = {"chars": [shift + begin, shift + stop]}
        if token.type == "heading_open" and following is not None:
            heading = _plain(following.content)
            outline.enter(int(token.tag[1:]), heading, position)
            title = title or (heading if token.tag == "h1" else "")
        elif token.type == "html_block":
            outline.add(_text_of_html(token.content), position)
        else:
            source = text[begin:stop]
            outline.add(source if token.type in _VERBATIM else _plain(source), position)
    return title


def _tokens(text: str) -> list[Token]:
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table").disable("inline")
    return parser.parse(text)


def _plain(source: str) -> str:
    return _TAG.sub("", _LINK.sub(r"\1", source))


def _text_of_html(source: str) -> str:
    from crossmodal.chunking.text.html import parse_html

    found = parse_html(source).blocks
    return "\n".join(line for block in found for line in (*block.section[-1:], block.text))
