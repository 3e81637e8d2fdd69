"""What is fed with bytes: the parsers of text, headers of byte ranges, conditions of searches.

Each target takes any bytes, and raises where something comes out that was not promised.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.passages.passages import passages
from crossmodal.chunking.pieces import CutTools, Flaw
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.subtitles.cues import merged
from crossmodal.chunking.subtitles.formats import Subtitles, parse_bytes
from crossmodal.chunking.tables.parse import tables
from crossmodal.chunking.tables.shapes import RowGroup, TableHead
from crossmodal.chunking.tables.text import packed
from crossmodal.chunking.text.parse import ParsedText, parse
from crossmodal.errors import FilterError, Refused
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.filters import condition_pattern, parse_where, where_in
from crossmodal.sandbox.protocol import REPLY_HEAD, Reply, pack_reply, unpack_reply
from crossmodal.web.api.errors import ApiError
from crossmodal.web.files.ranges import byte_range

RULES = ChunkRules(chunk_tokens=12, overlap_tokens=3)
KINDS = ("plain", "markdown", "html", "rst", "json", "json_lines", "records", "xml")
MOST_BYTES = 4096
PATTERN = re.compile(condition_pattern())


class Words:
    """Count words: quick, and the same in every process."""

    max_tokens = 12
    fingerprint = "words"

    def count(self, text: str) -> int:
        return len(self.offsets(text))

    def offsets(self, text: str) -> list[tuple[int, int]]:
        return [found.span() for found in re.finditer(r"\w+|[^\w\s]", text)]


TOOLS = CutTools(measure=Words())


def chunkers(data: bytes) -> None:
    """Whatever a file holds, it becomes passages of bounded length, or is refused."""
    kind, data = data[0] % (len(KINDS) + 2) if data else 0, data[1:]
    with suppress(Refused):
        if kind < len(KINDS):
            _text(data, KINDS[kind])
        elif kind == len(KINDS):
            _subtitles(data)
        else:
            _table(data)


def _text(data: bytes, kind: str) -> None:
    (parsed,) = parse(data, kind)
    _check_sent(parsed, ParsedText)
    blocks: list[Block] = parsed.blocks
    pieces = list(passages(blocks, RULES, TOOLS))
    found = "".join("".join(piece.text.split()) for piece in pieces)
    for piece in pieces:
        assert piece.text.strip(), "an empty passage"
        assert Words().count(piece.text) <= RULES.chunk_tokens, "too long a passage"
    for block in blocks:
        for word in block.text.split():
            assert word in found or len(word) > 1, f"{word!r} was lost"


def _subtitles(data: bytes) -> None:
    (found,) = parse_bytes(data)
    _check_sent(found, Subtitles)
    for cue in merged(found.cues, RULES, TOOLS):
        assert cue.text.strip(), "an empty cue"
        assert 0 <= cue.start_s <= cue.end_s, "a cue that ends before it begins"


def _table(data: bytes) -> None:
    if not data or data.startswith((b"PAR", b"PK", b"\xd0\xcf")):
        return  # what others' libraries read is theirs to try
    head = None
    for part in tables(data, RULES):
        _check_sent(part, TableHead, RowGroup, Flaw)
        head = part if isinstance(part, TableHead) else head
        if isinstance(part, RowGroup):
            assert head is not None, "rows before their table"
            for row in packed(head.columns, part.start, part.rows, RULES, TOOLS):
                assert part.start <= row.start < row.stop <= part.start + len(part.rows)


def _check_sent(item: Any, *shapes: Any) -> None:
    """What a child says arrives as it was said."""
    whole = bytearray().join(pack_reply(Reply.ITEM, item))
    head, body = bytes(whole[: REPLY_HEAD.size]), whole[REPLY_HEAD.size :]
    _, read = unpack_reply(head, body, shapes)
    assert read == item, "the answer of the child changed on its way"


def ranges(data: bytes) -> None:
    """A range lies within the file, or is told to be none."""
    num_bytes = int.from_bytes(data[:2], "big")
    with suppress(ApiError):
        found = byte_range(data[2:].decode("latin-1"), num_bytes)
        assert found is None or 0 <= found[0] < found[1] <= num_bytes, found


def filters(data: bytes) -> None:
    """A condition becomes SQL that runs, or is refused; and what is taken fits the schema."""
    conditions = data.decode("utf-8", "surrogateescape").split("\n")[:3]
    with suppress(FilterError):
        where = parse_where(conditions)
        assert all(PATTERN.search(condition) for condition in conditions), "not in the schema"
        con = _collection()
        con.execute(f"SELECT uri FROM source WHERE {where.sql}", where.params).fetchall()
        con.execute(where.sieve, where.bound(where.sieve)).fetchall()
        where_in(con, conditions)


@cache
def _collection() -> duckdb.DuckDBPyConnection:
    """Return a connection to a new collection, whose file is gone when this process is."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzzed.duckdb"
        with Collection(path).write():
            pass
        return duckdb.connect(str(path), read_only=True)


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (chunkers, ranges, filters)
}
SEEDS: dict[str, list[bytes]] = {
    "chunkers": [
        b"\x00One paragraph. And more.\n\nAnother one.",
        b"\x01# Head\n\n- item\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```py\ncode\n```\n",
        b"\x02<html><title>t</title><b><i>x</b></i><table><tr><td>a<ul><li>b</table><!-- -->&amp;",
        b"\x03Head\n====\n\n.. note:: text\n\n   more\n",
        b'\x04{"a": [1, null, {"b": "c"}], "t": "\\ud800"}',
        b'\x05{"id": 1, "text": "a"}\n{"id": 2}\n',
        b'\x06[{"id": "d7", "title": "x", "text": "words"}]',
        b"\x07<?xml version='1.0'?><a b='c'><d>text</d><![CDATA[x]]></a>",
        b"\x081\n00:00:01,000 --> 00:00:02,000\n<i>Hello</i>\n\n2\n1:2:3 --> 0:0:1\nx\n",
        b"\x08WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ann>Hi\n",
        b"\x08[Script Info]\n[Events]\nFormat: Start, End, Text\nDialogue: 0:00:01,0:00:02,a\n",
        b'\x09a,b;c\n1,"x ""y""\nz",\n2,,3\n',
        b"\x00\xff\xfeh\x00i\x00",
    ],
    "ranges": [
        b"\x10\x00bytes=0-",
        b"\x00\x05bytes=-3",
        b"\x00\x05bytes=2-1",
        b"\x00\x00bytes=0-0,2-",
    ],
    "filters": [
        b"path=cars/*.jpg",
        b"date>=2024-01-31\nsize<1 KiB",
        b"type!=image/*",
        b"page=3\nheading=*method*",
        b"duration>10\nlanguage=de",
        b"year>=2010\ncolumns.size=x",
        b"taken<2020-02-30T25:00",
    ],
}
