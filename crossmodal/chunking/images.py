"""Make one chunk of a whole image, still encoded, and where asked for one of each region of it."""

from __future__ import annotations

from collections.abc import Iterator

from crossmodal.chunking.image_regions import walled_regions
from crossmodal.chunking.pieces import CutTools, Piece, Source
from crossmodal.chunking.rules import ChunkRules

MEDIA_PATTERNS = ("image/*",)
REVISION = 1


def cut(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece]:
    """Yield the image, then its regions; decoding the whole under the guards is the next step's."""
    yield Piece(kind="image", modality="image", picture=source.data)
    if not rules.regions:
        return
    for region in walled_regions(source.data, rules, tools.min_side):
        facts = {"width": region.width, "height": region.height, "format": region.format}
        yield Piece(
            kind="region",
            modality="image",
            picture=region.rgb,
            parent=0,
            position={"box": list(region.box)},
            facts=facts | ({"taken": region.taken} if region.taken else {}),
        )
