"""Run an audio-text model that hears samples as they are (PE-Audio): unit vectors out.

Owns what such a model makes of samples and tokens. Windows of one length are heard together, others
one by one, so that nothing is padded: its convolutions would hear the padding of a neighbour.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.sound import SoundEncoder

if TYPE_CHECKING:
    import torch


class WaveformEncoder(SoundEncoder):
    """Serve PE-Audio; safe to share between threads."""

    METHODS = ("get_audio_embeds", "text_model", "text_audio_head")

    def _audio_features(self, parts: list[npt.NDArray[np.float32]]) -> Any:
        import torch

        if len({len(part) for part in parts}) > 1:
            return torch.cat([self._audio_features([part]) for part in parts])
        samples_NCS = torch.from_numpy(np.stack(parts)[:, None]).to(self._forward.device)
        return self._model.get_audio_embeds(samples_NCS.to(self._model.dtype))

    def _text_features(self, tokens: dict[str, torch.Tensor]) -> Any:
        # The model's own get_text_audio_embeds forgets to ask for the states that it reads.
        states_NTD = self._model.text_model(
            input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]
        ).last_hidden_state
        return self._model.text_audio_head(states_NTD[:, 0])
