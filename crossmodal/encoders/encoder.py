"""Say what an encoder is: pixels, sound or texts in, vectors of one space out.

Owns the seam between the model and everything else; refuses to know how a vector is computed. An
encoder serves the modalities of its model version and refuses the others with a message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.tokens import TokenMeasure
from crossmodal.errors import ModelMismatch, ModelUnsupported
from crossmodal.models.audio_preprocess import SoundPreprocess
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.records import ModelVersion


@dataclass(frozen=True, slots=True)
class Failure:
    """Say why one item of a batch got no vector."""

    reason: str
    """``out_of_memory``, ``not_finite`` or ``no_content``."""
    detail: str


@dataclass(frozen=True, slots=True)
class Encoded:
    """Hold the vectors of a batch; the rows of failed items are zero."""

    vectors: npt.NDArray[np.float32]
    """(n, dim) float32, L2-normalised."""
    failed: dict[int, Failure] = field(default_factory=dict)
    """By row."""
    cut: set[int] = field(default_factory=set)
    """Rows whose text was longer than the model reads: what stands after that is not in them."""


class Encoder(Protocol):
    """Embed what a model version serves into its space; safe to share between threads."""

    version: ModelVersion

    @property
    def modalities(self) -> frozenset[str]:
        """Return which of image, audio and text it embeds."""
        return frozenset(self.version.encoders)

    @property
    def measure(self) -> TokenMeasure:
        """Return the measure of the texts that it reads whole."""
        raise _not_served(self.version, "text")

    @property
    def preprocess(self) -> ImagePreprocess:
        """Return how an image becomes the pixels that ``encode_images`` takes."""
        raise _not_served(self.version, "image")

    @property
    def audio(self) -> SoundPreprocess:
        """Return the rate and the length of the windows that ``encode_audio`` takes."""
        raise _not_served(self.version, "audio")

    @property
    def image_size(self) -> tuple[int, int]:
        """Return the (height, width) that the model takes."""
        return self.preprocess.height, self.preprocess.width

    @property
    def has_own_threads(self) -> bool:
        """Say whether pictures are computed in other threads than those that ask for them."""
        return False

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> Encoded:
        """Embed (n, height, width, 3) uint8 pixels."""
        raise _not_served(self.version, "image")

    def encode_audio(self, windows: Sequence[npt.NDArray[np.float32]]) -> Encoded:
        """Embed (n,) float32 mono windows, -1 to 1, at ``audio.sample_rate_hz``."""
        raise _not_served(self.version, "audio")

    def encode_passages(self, texts: Sequence[str]) -> Encoded:
        """Embed texts that are searched; those that do not fit the model are named in ``cut``."""
        raise _not_served(self.version, "text")

    def encode_texts(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return (n, dim) float32 vectors, L2-normalised; long texts are cut at the model's length.

        Raises:
            ModelUnsupported: The model gave no vector for a text.
        """
        return vectors_or_raise(self.version, self.encode_passages(texts))

    def encode_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return vectors of search queries; some models encode these unlike passages.

        Raises:
            ModelUnsupported: The model gave no vector for a text.
        """
        return self.encode_texts(texts)


def vectors_or_raise(version: ModelVersion, encoded: Encoded) -> npt.NDArray[np.float32]:
    """Return the vectors of a batch in which nothing may fail.

    Raises:
        ModelUnsupported: Something did.
    """
    if encoded.failed:
        failure = next(iter(encoded.failed.values()))
        raise ModelUnsupported(
            f"{version.label} gave no vector for a text ({failure.reason}: {failure.detail}): "
            "try another number format, such as --dtype float32"
        )
    return encoded.vectors


def _not_served(version: ModelVersion, modality: str) -> ModelMismatch:
    served = " and ".join(sorted(version.encoders))
    return ModelMismatch(f"{version.label} embeds {served}, not {modality}")
