"""Encode into a derived space: the parent's encoder, then the map of the modality.

Owns nothing of its own but the step behind the parent; a query goes through what the stored vectors
went through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.encoder import Encoded, Encoder
from crossmodal.encoders.tokens import TokenMeasure
from crossmodal.models.audio_preprocess import SoundPreprocess
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.records import ModelVersion
from crossmodal.vectors.affine import apply, unpack


class DerivedEncoder(Encoder):
    """Serve a derived space; safe to share between threads."""

    def __init__(self, version: ModelVersion, parent: Encoder) -> None:
        assert version.derived is not None, f"{version.label} is derived from nothing"
        self.version = version
        self._parent = parent
        self._maps = unpack(version.derived.maps)

    @property
    def measure(self) -> TokenMeasure:
        """Return the measure of the texts that the parent reads whole."""
        return self._parent.measure

    @property
    def preprocess(self) -> ImagePreprocess:
        """Return how an image becomes the pixels that the parent takes."""
        return self._parent.preprocess

    @property
    def audio(self) -> SoundPreprocess:
        """Return the windows that the parent takes."""
        return self._parent.audio

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> Encoded:
        """Embed (n, height, width, 3) uint8 pixels."""
        return self._moved("image", self._parent.encode_images(pixels))

    def encode_audio(self, windows: Sequence[npt.NDArray[np.float32]]) -> Encoded:
        """Embed (n,) float32 mono windows."""
        return self._moved("audio", self._parent.encode_audio(windows))

    def encode_passages(self, texts: Sequence[str]) -> Encoded:
        """Embed texts that are searched."""
        return self._moved("text", self._parent.encode_passages(texts))

    def encode_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return (n, dim) float32 vectors of search queries."""
        return apply(self._maps, "text", self._parent.encode_queries(texts))

    def _moved(self, modality: str, encoded: Encoded) -> Encoded:
        vectors = apply(self._maps, modality, encoded.vectors)
        vectors[sorted(encoded.failed)] = 0
        return replace(encoded, vectors=vectors)
