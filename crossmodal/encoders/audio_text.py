"""Run an audio-text model of transformers (CLAP): windows of sound or texts in, unit vectors out.

Owns what such a model makes of samples and tokens; refuses to read, decode or resample files. A
window longer than the model hears at once gets the mean direction of its parts. Checked against
the pipeline of transformers with random weights only: its tests need no network, and no weights of
a real CLAP come with a package.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.encoder import Encoded, Failure
from crossmodal.encoders.forward import Forward
from crossmodal.encoders.loaded import LoadedEncoder
from crossmodal.encoders.mel import LogMel
from crossmodal.models.audio_preprocess import AudioPreprocess
from crossmodal.models.folder import ModelFiles
from crossmodal.records import ModelVersion

if TYPE_CHECKING:
    import torch

_BATCH = 16
_NUM_FUSED = 4
_NO_CONTENT = Failure("no_content", "the window has no samples")
_OPPOSED = Failure("not_finite", "the parts of the window cancel each other out")


class AudioEncoder(LoadedEncoder):
    """Serve CLAP, fused or not; safe to share between threads."""

    METHODS = ("get_audio_features", "get_text_features")

    def __init__(self, files: ModelFiles, version: ModelVersion, forward: Forward) -> None:
        super().__init__(files, version, forward)
        assert self._settings.audio is not None, f"{files.name} is no audio-text model"
        self._audio = self._settings.audio
        self._log_mel = LogMel(self._audio, forward.device)

    @property
    def audio(self) -> AudioPreprocess:
        """Return the rate and the length of the windows that ``encode_audio`` takes."""
        return self._audio

    def encode_audio(self, windows: Sequence[npt.NDArray[np.float32]]) -> Encoded:
        """Embed (n,) float32 mono windows, -1 to 1, at ``audio.sample_rate_hz``.

        A window is filled up to the model's length, or divided into parts of it.
        """
        encoded = Encoded(np.zeros((len(windows), self.version.dim), np.float32))
        owners: list[int] = []
        parts: list[npt.NDArray[np.float32]] = []
        for row, window in enumerate(windows):
            fitted = self._audio.fit(window)
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
        import torch

        samples_NS = torch.from_numpy(np.stack(parts)).to(self._forward.device)
        mel_NCTM = self._log_mel(samples_NS).unsqueeze(1)
        if not self._audio.fused:
            return self._model.get_audio_features(input_features=mel_NCTM.to(self._model.dtype))
        # No part is longer than the window, so the four views of a fused model are the same one;
        # the extractor of transformers would declare a random one of them longer.
        fused_NCTM = mel_NCTM.expand(-1, _NUM_FUSED, -1, -1).to(self._model.dtype)
        is_longer = torch.zeros(len(parts), 1, dtype=torch.bool, device=samples_NS.device)
        return self._model.get_audio_features(input_features=fused_NCTM, is_longer=is_longer)

    def _text_features(self, tokens: dict[str, torch.Tensor]) -> Any:
        return self._model.get_text_features(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        )


def _normalise(encoded: Encoded) -> None:
    """Bring the sums of parts back to length 1, and what failed to zero."""
    lengths = np.linalg.norm(encoded.vectors, axis=1)
    for row in np.flatnonzero(lengths < 1e-3):
        encoded.failed.setdefault(int(row), _OPPOSED)
    encoded.vectors[list(encoded.failed)] = 0
    scale = np.where(lengths < 1e-3, 1, lengths)[:, None]
    np.divide(encoded.vectors, scale, out=encoded.vectors)
