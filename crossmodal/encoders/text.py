"""Run a text encoder in the manner of sentence-transformers: passages and queries in, vectors out.

What a folder's modules make of the token vectors is ``sentence_head``'s. Vectors are always brought
to length 1, also where the model's own pipeline leaves them as they are: searches here compare by
cosine.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from crossmodal.encoders.forward import Forward
from crossmodal.encoders.loaded import LoadedEncoder
from crossmodal.encoders.sentence_head import SentenceHead
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
        self._head = SentenceHead(files, self._settings.text, forward.device)
        self._accepted = set(inspect.signature(self._model.forward).parameters)

    def _text_features(self, tokens: dict[str, torch.Tensor]) -> Any:
        inputs = {name: values for name, values in tokens.items() if name in self._accepted}
        hidden_NTD = self._model(**inputs).last_hidden_state
        return self._head(hidden_NTD, tokens["attention_mask"])
