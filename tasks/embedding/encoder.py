"""Say what an encoder is: pixels or texts in, vectors of one space out.

Owns the seam between the model and everything else; refuses to know how a vector is computed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tasks.embedding.preprocess import ImagePreprocess
from tasks.records import ModelVersion


@dataclass(frozen=True, slots=True)
class Failure:
    """Say why one item of a batch got no vector."""

    reason: str
    """``out_of_memory`` or ``not_finite``."""
    detail: str


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Hold the vectors of a batch; the rows of failed items are zero."""

    vectors: npt.NDArray[np.float32]
    """(n, dim) float32, L2-normalised."""
    failed: dict[int, Failure] = field(default_factory=dict)
    """By row."""


class Encoder(Protocol):
    """Embed images and texts into the space of one model version."""

    version: ModelVersion
    preprocess: ImagePreprocess
    """How an image becomes the pixels that ``encode_images`` takes."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Return the (height, width) that the model takes."""

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> EncodedImages:
        """Embed (n, height, width, 3) uint8 pixels."""

    def encode_texts(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Return (n, dim) float32 vectors, L2-normalised."""
