"""Show where in a picture the words of a query are found, by a model of page pictures.

Owns the way from a chunk to the picture that it shows and the map drawn over it. A map says why a
picture was found by that model; it is no finding of its own, and compares with no other.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.encoders.rerankers.reranker import Floats, MappingReranker
from crossmodal.errors import ModelError, ModelMismatch, ModelUnsupported
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.chunks import find_chunk
from crossmodal.search.rerank_sides import side_of_hit

if TYPE_CHECKING:
    from PIL.Image import Image

    from crossmodal.records import Hit
    from crossmodal.search.answer import Answer

_COLOUR = (220, 30, 30)
_STRONGEST = 0.7
"""How much of the colour stands over the best place."""


@dataclass(frozen=True, slots=True, eq=False)
class PatchMap:
    """Hold a map and the picture that it lies over."""

    chunk_id: int
    label: str
    """The model's short name."""
    grid: Floats
    """(down, across) mean cosine of a patch with the words of the query."""
    picture: Image

    def drawn(self) -> Image:
        """Return the picture in grey with the likeness of its places in red over it."""
        from PIL import Image

        low, high = float(self.grid.min()), float(self.grid.max())
        scaled = (self.grid - low) / max(high - low, 1e-9)
        strength = Image.fromarray((scaled * _STRONGEST * 255).astype(np.uint8))
        mask = strength.resize(self.picture.size, Image.Resampling.BICUBIC)
        grey = self.picture.convert("L").convert("RGB")
        return Image.composite(Image.new("RGB", grey.size, _COLOUR), grey, mask)

    def to_dict(self) -> dict[str, Any]:
        """Return the map as plain values."""
        return {
            "chunk_id": self.chunk_id,
            "model": self.label,
            "grid": [[round(value, 4) for value in row] for row in self.grid.tolist()],
            "width": self.picture.width,
            "height": self.picture.height,
        }


def has_map(answer: Answer, hit: Hit) -> bool:
    """Say whether a map tells why a hit stands where it does: its picture was reranked by one."""
    return bool(answer.mapped_by) and hit.modality == "image" and hit.rerank_score is not None


def maps_of(answer: Answer, path: str, device: str) -> dict[int, Image]:
    """Return by chunk the pictures of an answer with the map over each; those that have one.

    One pass of the model a picture. What cannot be drawn is left out: the hit is shown as it is.
    """
    drawn = {}
    for hit in answer.hits:
        if has_map(answer, hit):
            with suppress(ModelError):
                found = map_patches(path, hit.chunk_id, answer.query, answer.mapped_by, device)
                drawn[hit.chunk_id] = found.drawn()
    return drawn


def map_patches(path: str, chunk_id: int, text: str, model: str, device: str = "auto") -> PatchMap:
    """Return where in the picture of a chunk a model of page pictures finds the words of a text.

    Raises:
        ModelUnsupported: the model maps no patches.
        ModelMismatch: the collection has no such chunk, or one that shows no picture any more.
        RerankFailed: the model gave what is no map.
    """
    with Collection(path).read() as con:
        found = find_chunk(con, chunk_id)
    if found is None or found.hit.modality != "image":
        raise ModelMismatch(f"{path} has no picture {chunk_id}: take the id of a picture's hit")
    reranker = load_reranker(model, device)
    if not isinstance(reranker, MappingReranker):
        raise ModelUnsupported(
            f"{reranker.label} gives no map of a picture: take a ColPali or a ColQwen2"
        )
    side = side_of_hit(found.hit, reranker.side_px)
    if side is None or side.picture is None:
        raise ModelMismatch(f"{found.hit.uri} can be shown no more: index again")
    return PatchMap(chunk_id, reranker.label, reranker.patch_map(text, side.picture), side.picture)
