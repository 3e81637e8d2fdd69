"""Embed passages: UTF-8 travels; those that the joint model can read whole get its vector too."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crossmodal.embedding.modalities.row import Handling, Preparing

if TYPE_CHECKING:
    from crossmodal.chunking.pieces import Piece
    from crossmodal.embedding.rows import CutChunk
    from crossmodal.encoders.encoder import Encoded
    from crossmodal.encoders.lineup_encoders import Encoders


def payload(piece: Piece, preparing: Preparing, facts: dict[str, Any]) -> bytes:
    """Return the text in UTF-8; what UTF-8 cannot say becomes a question mark."""
    return piece.text.encode("utf-8", "replace")


def encode(encoders: Encoders, chunks: list[CutChunk], caption_weight: float) -> Encoded:
    """Return the vectors of passages in the space of the encoder that serves texts."""
    return encoders.of("text").encode_passages([chunk.payload.decode() for chunk in chunks])


def joint_vectors(encoders: Encoders, chunks: list[CutChunk]) -> dict[int, bytes]:
    """Return by row the joint vectors of texts that the joint model reads whole."""
    if encoders.lineup.short_texts is None:
        return {}
    joint = encoders.of("image")
    limit = joint.measure.max_tokens
    rows = [row for row, chunk in enumerate(chunks) if joint.measure.count(chunk.text) <= limit]
    if not rows:
        return {}
    found = joint.encode_passages([chunks[row].text for row in rows])
    return {row: found.vectors[i].tobytes() for i, row in enumerate(rows) if i not in found.failed}


HANDLING = Handling(payload=payload, encode=encode, second_vectors=joint_vectors)
