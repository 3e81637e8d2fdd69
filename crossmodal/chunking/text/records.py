"""Cut JSON Lines: a record is a section of its own, with passages that hold nothing of another.

Owns which media types hold records line by line; how a text is read and cut is ``text.cut``'s.
JSON Lines of another name, and JSON that turns out to be lines, stay with that chunker.
"""

from __future__ import annotations

from collections.abc import Iterator

from crossmodal.chunking.pieces import CutTools, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.text.cut import cut_as

REVISION = 1
"""Raised when the same bytes under the same rules would give other passages."""

MEDIA_PATTERNS = ("application/jsonl", "application/x-ndjson", "application/x-jsonlines")


def cut(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece]:
    """Yield the passages of each record below its key and its title, the record named in its facts.

    Raises:
        Refused: ``no_content``, ``binary``, or ``too_many_chunks`` beyond ``rules.max_chunks``.
    """
    return cut_as("records", source, rules, tools)
