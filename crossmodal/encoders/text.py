"""Run a text encoder in the manner of sentence-transformers: passages and queries in, vectors out.

Owns the pooling over the token vectors; refuses modules that it does not know
(``text_preprocess`` does, before anything is loaded). Vectors are always brought to length 1, also
where the model's own pipeline leaves them as they are: searches here compare by cosine.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from crossmodal.encoders.forward import Forward
from crossmodal.encoders.loaded import LoadedEncoder
from crossmodal.models.folder import ModelFiles
from crossmodal.records import ModelVersion

if TYPE_CHECKING:
    import torch


class SentenceEncoder(LoadedEncoder):
    """Serve MiniLM, MPNet, E5, BGE, GTE and their like; safe to share between threads."""

    # Many checkpoints lack the pooler of their class, which is not used here.
    UNUSED = "pooler."

    def __init__(self, files: ModelFiles, version: ModelVersion, forward: Forward) -> None:
        super().__init__(files, version, forward)
        self._accepted = set(inspect.signature(self._model.forward).parameters)

    def _text_features(self, tokens: dict[str, torch.Tensor]) -> Any:
        inputs = {name: values for name, values in tokens.items() if name in self._accepted}
        hidden_NTD = self._model(**inputs).last_hidden_state
        return pool(hidden_NTD, tokens["attention_mask"], self._settings.text.pooling)


def pool(hidden_NTD: torch.Tensor, mask_NT: torch.Tensor, mode: str) -> torch.Tensor:
    """Return (n, dim) float32 vectors: cls, max, mean or lasttoken over the unmasked tokens.

    Padding may stand on either side. A text without any token gets a vector of zeros.
    """
    hidden_NTD = hidden_NTD.float()
    mask_NT1 = mask_NT.bool().unsqueeze(-1)
    if mode == "mean":
        total_ND = hidden_NTD.masked_fill(~mask_NT1, 0).sum(dim=1)
        return total_ND / mask_NT1.sum(dim=1).clamp(min=1)
    if mode == "max":
        return hidden_NTD.masked_fill(~mask_NT1, float("-inf")).amax(dim=1)
    place_N = _first(mask_NT) if mode == "cls" else _last(mask_NT)
    rows_N = place_N.new_tensor(range(len(place_N)))
    return hidden_NTD[rows_N, place_N]


def _first(mask_NT: torch.Tensor) -> torch.Tensor:
    return mask_NT.long().argmax(dim=1)


def _last(mask_NT: torch.Tensor) -> torch.Tensor:
    return mask_NT.shape[1] - 1 - mask_NT.flip(1).long().argmax(dim=1)
