"""Define what embedding has to know of a modality; a row of the table is one of these."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crossmodal.chunking.pieces import Piece
    from crossmodal.embedding.options import EmbedOptions
    from crossmodal.embedding.rows import CutChunk
    from crossmodal.encoders.encoder import Encoded, Encoder
    from crossmodal.encoders.lineup_encoders import Encoders


@dataclass(frozen=True, slots=True)
class Preparing:
    """Lend what is needed to turn a piece into a payload."""

    encoders: Encoders
    options: EmbedOptions


@dataclass(frozen=True, slots=True)
class OneShape:
    """Describe items that have one shape, whatever they were cut from: passes can be timed."""

    name: Callable[[Encoder], str]
    """Return the shape of one item as the model takes it, such as ``224x224``."""
    random_pass: Callable[[Encoder, int], Callable[[], object]]
    """Return a forward pass over so many random items."""


def _no_second_vectors(encoders: Encoders, chunks: list[CutChunk]) -> dict[int, bytes]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Handling:
    """Say how chunks of one modality travel through a shard and become vectors."""

    payload: Callable[[Piece, Preparing, dict[str, Any]], bytes]
    """Return what travels to the model, and add facts that came to light; may raise Refused."""
    encode: Callable[[Encoders, list[CutChunk], float], Encoded]
    """Return the vectors of a batch; the last argument is the weight of captions."""
    second_vectors: Callable[[Encoders, list[CutChunk]], dict[int, bytes]] = _no_second_vectors
    """Return by row the vectors that chunks also get in the joint space."""
    one_shape: OneShape | None = None
    """None where items differ in length, so that no batch size is right for all of them."""
