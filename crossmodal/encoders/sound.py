"""Embed windows of sound, whatever their length, with a model that hears so much at once.

Owns how a window longer than that is divided and put together again: it gets the mean direction of
its parts. Refuses to know what the model makes of a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.encoder import Encoded, Failure
from crossmodal.encoders.forward import Forward
from crossmodal.encoders.loaded import LoadedEncoder
from crossmodal.models.audio_preprocess import SoundPreprocess
from crossmodal.models.folder import ModelFiles
from crossmodal.records import ModelVersion

_BATCH = 16
_NO_CONTENT = Failure("no_content", "the window has no samples")
_OPPOSED = Failure("not_finite", "the parts of the window cancel each other out")


class SoundEncoder(LoadedEncoder):
    """Serve a model that hears; safe to share between threads."""

    def __init__(self, files: ModelFiles, version: ModelVersion, forward: Forward) -> None:
        super().__init__(files, version, forward)
        self._sound = self._settings.audio

    @property
    def audio(self) -> SoundPreprocess:
        """Return the rate and the length of the windows that ``encode_audio`` takes."""
        return super().audio if self._sound is None else self._sound

    def encode_audio(self, windows: Sequence[npt.NDArray[np.float32]]) -> Encoded:
        """Embed (n,) float32 mono windows, -1 to 1, at ``audio.sample_rate_hz``.

        A window is filled up to what the model takes, or divided into parts of it.
        """
        encoded = Encoded(np.zeros((len(windows), self.version.dim), np.float32))
        owners: list[int] = []
        parts: list[npt.NDArray[np.float32]] = []
        for row, window in enumerate(windows):
            fitted = self.audio.fit(window)
            if not fitted:
                encoded.failed[row] = _NO_CONTENT
            for part in fitted:
                owners.append(row)
                parts.append(part)
                if len(parts) == _BATCH:
                    self._add(encoded, owners, parts)
                    owners, parts = [], []
        self._add(encoded, owners, parts)
        _normalise(encoded)
        return encoded

    def _add(
        self, encoded: Encoded, owners: list[int], parts: list[npt.NDArray[np.float32]]
    ) -> None:
        """Add the vectors of some parts to those of their windows."""
        batch = self._forward.encode(self._audio_features, parts)
        np.add.at(encoded.vectors, owners, batch.vectors)
        for number, failure in batch.failed.items():
            encoded.failed.setdefault(owners[number], failure)

    def _audio_features(self, parts: list[npt.NDArray[np.float32]]) -> Any:
        """Return what the model makes of parts of windows, as ``forward.Features`` says."""
        raise NotImplementedError


def _normalise(encoded: Encoded) -> None:
    """Bring the sums of parts back to length 1, and what failed to zero."""
    lengths = np.linalg.norm(encoded.vectors, axis=1)
    for row in np.flatnonzero(lengths < 1e-3):
        encoded.failed.setdefault(int(row), _OPPOSED)
    encoded.vectors[list(encoded.failed)] = 0
    scale = np.where(lengths < 1e-3, 1, lengths)[:, None]
    np.divide(encoded.vectors, scale, out=encoded.vectors)
