"""Make one chunk of a whole image: the picture as it is, still encoded."""

from __future__ import annotations

from collections.abc import Iterator

from crossmodal.chunking.pieces import CutTools, Piece, Source
from crossmodal.chunking.rules import ChunkRules

MEDIA_PATTERNS = ("image/*",)
REVISION = 1


def cut(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece]:
    """Yield the image; decoding it under the guards is the next step's work."""
    yield Piece(kind="image", modality="image", picture=source.data)
