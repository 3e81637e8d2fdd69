"""Turn a batch of prepared chunks of one modality into vectors.

Owns that every chunk comes back at its place: with a vector, or with the reason why it has none.
Refuses to time, to part or to order the batches; how a modality is encoded stands in its row.
"""

from __future__ import annotations

from dataclasses import dataclass

from crossmodal.embedding.modalities import HANDLING
from crossmodal.embedding.rows import CutChunk, EmbeddedChunk, Refusal
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.errors import Refused


@dataclass(frozen=True, slots=True)
class ChunkEncoding:
    """Encode the chunks of one line-up; one caller at a time."""

    encoders: Encoders
    caption_weight: float = 0.0
    """Share of a caption in its picture's vector: early fusion in the joint space."""

    def encode(self, modality: str, chunks: list[CutChunk]) -> list[EmbeddedChunk | Refusal]:
        """Return chunks of one modality with their vectors."""
        handling = HANDLING[modality]
        encoded = handling.encode(self.encoders, chunks, self.caption_weight)
        dim = self.encoders.lineup.serving[modality].dim
        assert encoded.vectors.shape == (len(chunks), dim)
        joint = handling.second_vectors(self.encoders, chunks)
        done: list[EmbeddedChunk | Refusal] = []
        for row, chunk in enumerate(chunks):
            if failure := encoded.failed.get(row):
                refusal = Refused(failure.reason, failure.detail)
                done.append(chunk.refused("embed", refusal, chunk.name))
            else:
                done.append(chunk.embedded(encoded.vectors[row].tobytes(), joint.get(row)))
        return done
