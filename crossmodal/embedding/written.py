"""Add the passages that are written in a source's pictures to what its chunker found.

Owns which pictures are read, and that what was read comes after everything else of its source: a
chunker counts its own pieces to say which belongs to which. Frames of films are not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from crossmodal.chunking.pieces import CutTools, Flaw, Piece
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

KIND = "ocr"
_READ = frozenset({"image", "page_image", "figure", "cell_image"})


def with_written(
    pieces: Iterable[Piece | Flaw], rules: ChunkRules, tools: CutTools
) -> Iterator[Piece | Flaw]:
    """Yield the pieces, then a passage of kind ``ocr`` for each stretch of text in a picture.

    A passage belongs to its picture, and has its place and headings.
    """
    written: list[Piece] = []
    ordinal = 0
    for piece in pieces:
        yield piece
        if isinstance(piece, Flaw):
            continue
        if piece.kind in _READ:
            written += _written(piece, ordinal, rules, tools)
        ordinal += 1
    yield from written


def _written(picture: Piece, ordinal: int, rules: ChunkRules, tools: CutTools) -> Iterator[Piece]:
    from crossmodal.chunking.passages.blocks import Block
    from crossmodal.chunking.passages.passages import passages
    from crossmodal.recognition.ocr import paragraphs, text_reader

    pixels = _pixels(picture, rules)
    lines = text_reader().read(pixels) if pixels is not None else []
    if not lines:
        return
    facts = {"ocr_score": round(sum(line.score for line in lines) / len(lines), 3)}
    blocks = [
        Block(text=text, section=picture.section, position={"paragraph": number})
        for number, text in enumerate(paragraphs(lines), start=1)
    ]
    for passage in passages(blocks, rules, tools):
        yield replace(
            passage,
            kind=KIND,
            parent=ordinal,
            position=picture.position | passage.position,
            facts=passage.facts | facts,
        )


def _pixels(picture: Piece, rules: ChunkRules) -> npt.NDArray[np.uint8] | None:
    """Return a picture as large as it is; None where it cannot be decoded, which is told later."""
    import numpy as np

    from crossmodal.chunking.walled_picture import decode_walled
    from crossmodal.pictures.decode import ImageLimits

    if not isinstance(picture.picture, bytes):
        return picture.picture
    try:
        decoded = decode_walled(picture.picture, ImageLimits(rules.max_megapixels), rules)
    except Refused:
        return None
    return np.asarray(decoded.image)
