"""Say, a row a modality, how its chunks travel through a shard and become vectors."""

from __future__ import annotations

from crossmodal.embedding.modalities import audio, image, text
from crossmodal.embedding.modalities.row import Handling

HANDLING: dict[str, Handling] = {
    "image": image.HANDLING,
    "text": text.HANDLING,
    "audio": audio.HANDLING,
}
"""By modality."""
