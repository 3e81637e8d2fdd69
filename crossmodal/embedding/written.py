"""Add the passages that are written in a source's pictures to what its chunker found.

Owns which pictures are read, and that what was read comes after everything else of its source: a
chunker counts its own pieces to say which belongs to which. Of a film's frames those that look the
same are read once, at the first of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossmodal.chunking.pieces import CutTools, Flaw, Piece
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused
from crossmodal.modalities import FILMED

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

KIND = "ocr"
LEGIBLE_SIDE = 720
"""Shorter side in pixels at which frames are decoded: smaller than that, captions are not read."""
_READ = frozenset({"image", "page_image", "figure", "cell_image", *FILMED})
_GRID = (96, 54)
_SAME_GREY = 12
"""Of 255: where no cell of two frames differs by more they show the same; codecs differ by less."""
_MAX_SEEN = 256


def legible(tools: CutTools) -> CutTools:
    """Return the tools with frames as large as reading needs them."""
    side = None if tools.min_side is None else max(tools.min_side, LEGIBLE_SIDE)
    return replace(tools, min_side=side)


def with_written(
    pieces: Iterable[Piece | Flaw], rules: ChunkRules, tools: CutTools
) -> Iterator[Piece | Flaw]:
    """Yield the pieces, then a passage of kind ``ocr`` for each stretch of text in a picture.

    A passage belongs to its picture, and has its place and headings.
    """
    written: list[Piece] = []
    frames = _Frames()
    ordinal = 0
    for piece in pieces:
        yield piece
        if isinstance(piece, Flaw):
            continue
        if piece.kind in _READ and not frames.were_seen(piece):
            written += _written(piece, ordinal, rules, tools)
        ordinal += 1
    yield from written


class _Frames:
    """Remember what the frames of one film look like."""

    def __init__(self) -> None:
        self._seen: list[npt.NDArray[np.int16]] = []

    def were_seen(self, piece: Piece) -> bool:
        """Return whether a frame looks like one before it; what is no frame never does."""
        import numpy as np
        from PIL import Image

        if piece.kind not in FILMED or isinstance(piece.picture, bytes) or piece.picture is None:
            return False
        grey = Image.fromarray(piece.picture).convert("L").resize(_GRID, Image.Resampling.BOX)
        cells = np.asarray(grey, np.int16)
        if any(np.abs(cells - earlier).max() <= _SAME_GREY for earlier in self._seen):
            return True
        self._seen = [*self._seen[-_MAX_SEEN + 1 :], cells]
        return False


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
            position=_place(picture) | passage.position,
            facts=passage.facts | facts,
        )


def _place(picture: Piece) -> dict[str, Any]:
    """Return where a picture stands; of a scene when the frame that was read is shown."""
    place = picture.position
    return place | ({"start_s": place["frame_s"]} if "frame_s" in place else {})


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
