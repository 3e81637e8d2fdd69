"""Run an audio-text model of transformers (CLAP): windows of sound or texts in, unit vectors out.

Owns what such a model makes of samples and tokens; refuses to read, decode or resample files.
Checked against the pipeline of transformers with random weights only: its tests need no network,
and no weights of a real CLAP come with a package.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.forward import Forward
from crossmodal.encoders.mel import LogMel
from crossmodal.encoders.sound import SoundEncoder
from crossmodal.models.audio_preprocess import AudioPreprocess
from crossmodal.models.folder import ModelFiles
from crossmodal.records import ModelVersion

if TYPE_CHECKING:
    import torch

_NUM_FUSED = 4


class AudioEncoder(SoundEncoder):
    """Serve CLAP, fused or not; safe to share between threads."""

    METHODS = ("get_audio_features", "get_text_features")

    def __init__(self, files: ModelFiles, version: ModelVersion, forward: Forward) -> None:
        super().__init__(files, version, forward)
        assert isinstance(self.audio, AudioPreprocess), f"{files.name} is no CLAP"
        self._fused = self.audio.fused
        self._log_mel = LogMel(self.audio, forward.device)

    def _audio_features(self, parts: list[npt.NDArray[np.float32]]) -> Any:
        import torch

        samples_NS = torch.from_numpy(np.stack(parts)).to(self._forward.device)
        mel_NCTM = self._log_mel(samples_NS).unsqueeze(1)
        if not self._fused:
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
