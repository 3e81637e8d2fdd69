"""Stand for recordings that are only listened to for what is said: no model embeds their sound.

Owns nothing but the name of the chunker; the passages are added where speech is recognised.
"""

from __future__ import annotations

from collections.abc import Iterator

from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused

REVISION = 1
MEDIA_PATTERNS = ("audio/*",)


def cut(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece | Flaw]:
    """Yield nothing.

    Raises:
        Refused: the file has no bytes.
    """
    if not source.data:
        raise Refused("empty", "the file has no bytes")
    yield from ()
