"""Turn a batch of prepared chunks of one modality into vectors.

Owns which encoder gets them; refuses to time, to part or to order the batches. Every chunk comes
back at its place: with a vector, or with the reason why it has none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from crossmodal.embedding.items import Item
from crossmodal.encoders.encoder import Encoded
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
        encoded = self._forward(modality, items)
        dim = self.encoders.lineup.serving[modality].dim
        assert encoded.vectors.shape == (len(items), dim)
        shorts = self._short_vectors(items) if modality == "text" else {}
        done = []
        for row, item in enumerate(items):
            if failure := encoded.failed.get(row):
                refusal = Refused(failure.reason, failure.detail)
                done.append(item.refused("embed", refusal, item.name))
            else:
                payload = encoded.vectors[row].tobytes()
                done.append(replace(item, payload=payload, short_payload=shorts.get(row)))
        return done

    def _forward(self, modality: str, items: list[Item]) -> Encoded:
        encoder = self.encoders.of(modality)
        payloads = [item.payload or b"" for item in items]
        if modality == "text":
            return encoder.encode_passages([payload.decode() for payload in payloads])
        if modality == "audio":
            return encoder.encode_audio([np.frombuffer(p, np.float32) for p in payloads])
        shape = (len(items), *encoder.image_size, 3)
        encoded = encoder.encode_images(np.frombuffer(b"".join(payloads), np.uint8).reshape(shape))
        if self.caption_weight > 0:
            self._mix_captions(items, encoded)
        return encoded

    def _mix_captions(self, items: list[Item], encoded: Encoded) -> None:
        """Move the vectors of captioned pictures towards their captions, in place."""
        rows = [r for r, item in enumerate(items) if item.caption and r not in encoded.failed]
        if not rows:
            return
        words = self.encoders.of("image").encode_texts([items[row].caption for row in rows])
        weight = self.caption_weight
        mixed = (1 - weight) * encoded.vectors[rows] + weight * words
        encoded.vectors[rows] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)

    def _short_vectors(self, items: list[Item]) -> dict[int, bytes]:
        """Return by row the joint vectors of texts that the joint model reads whole."""
        if self.encoders.lineup.short_texts is None:
            return {}
        joint = self.encoders.of("image")
        limit = joint.measure.max_tokens
        rows = [row for row, item in enumerate(items) if joint.measure.count(item.text) <= limit]
        if not rows:
            return {}
        encoded = joint.encode_passages([items[row].text for row in rows])
        vectors: npt.NDArray[np.float32] = encoded.vectors
        return {row: vectors[i].tobytes() for i, row in enumerate(rows) if i not in encoded.failed}
