"""Turn a batch of prepared chunks of one modality into vectors.

Owns that every chunk comes back at its place: with a vector, or with the reason why it has none.
Refuses to time, to part or to order the batches; how a modality is encoded stands in its row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from crossmodal.embedding.items import Item
from crossmodal.embedding.modalities import HANDLING
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.errors import Refused


@dataclass(frozen=True, slots=True)
class ChunkEncoding:
    """Encode the chunks of one line-up; one caller at a time."""

    encoders: Encoders
    caption_weight: float = 0.0
    """Share of a caption in its picture's vector: early fusion in the joint space."""

    def encode(self, modality: str, items: list[Item]) -> list[Item]:
        """Return items of one modality with their vectors as payloads."""
        handling = HANDLING[modality]
        encoded = handling.encode(self.encoders, items, self.caption_weight)
        dim = self.encoders.lineup.serving[modality].dim
        assert encoded.vectors.shape == (len(items), dim)
        shorts = handling.second_vectors(self.encoders, items)
        done = []
        for row, item in enumerate(items):
            if failure := encoded.failed.get(row):
                refusal = Refused(failure.reason, failure.detail)
                done.append(item.refused("embed", refusal, item.name))
            else:
                payload = encoded.vectors[row].tobytes()
                done.append(replace(item, payload=payload, short_payload=shorts.get(row)))
        return done
