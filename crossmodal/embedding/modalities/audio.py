"""Embed windows of sound: mono float32 samples travel, at the rate that the model hears."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.embedding.modalities.row import Handling, OneShape, Preparing

if TYPE_CHECKING:
    from crossmodal.chunking.pieces import Piece
    from crossmodal.embedding.rows import CutChunk
    from crossmodal.encoders.encoder import Encoded, Encoder
    from crossmodal.encoders.lineup_encoders import Encoders


def payload(piece: Piece, preparing: Preparing, facts: dict[str, Any]) -> bytes:
    """Return the samples as float32."""
    assert piece.samples is not None, f"a {piece.kind} without samples"
    return piece.samples.astype(np.float32).tobytes()


def encode(encoders: Encoders, chunks: list[CutChunk], caption_weight: float) -> Encoded:
    """Return the vectors of windows."""
    windows = [np.frombuffer(chunk.payload, np.float32) for chunk in chunks]
    return encoders.of("audio").encode_audio(windows)


def shape_name(encoder: Encoder) -> str:
    """Return how many samples a window has."""
    return str(encoder.audio.num_samples)


def random_pass(encoder: Encoder, num_items: int) -> Callable[[], object]:
    """Return a forward pass over windows of noise."""
    rng = np.random.default_rng(num_items)
    samples = rng.uniform(-1, 1, (num_items, encoder.audio.num_samples)).astype(np.float32)
    return lambda: encoder.encode_audio(list(samples))


HANDLING = Handling(payload=payload, encode=encode, one_shape=OneShape(shape_name, random_pass))
