"""Run a text encoder in the manner of sentence-transformers: passages and queries in, vectors out.

Owns the pooling over the token vectors and the prompts; refuses modules that it does not know
(``text_preprocess`` does, before anything is loaded). Vectors are always brought to length 1, also
where the model's own pipeline leaves them as they are: searches here compare by cosine.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.embedding import model_files
from tasks.embedding.encoder import Encoded, Encoder, vectors_or_raise
from tasks.embedding.forward import Forward, load_model
from tasks.embedding.model_files import ModelFiles
from tasks.embedding.pooling import pool
from tasks.embedding.text_forward import TextForward
from tasks.embedding.text_measure import TokenMeasure
from tasks.records import ModelVersion

if TYPE_CHECKING:
    import torch


class SentenceEncoder(Encoder):
    """Serve MiniLM, MPNet, E5, BGE, GTE and their like; safe to share between threads."""

    def __init__(self, files: ModelFiles, version: ModelVersion, forward: Forward) -> None:
        self.version = version
        self._model = forward.model
        self._settings = model_files.preprocessing(files).text
        self._texts = TextForward(files, self._settings, forward, self._features)
        self._accepted = set(inspect.signature(self._model.forward).parameters)

    @classmethod
    def load(cls, files: ModelFiles, version: ModelVersion, device: str) -> SentenceEncoder:
        """Load the weights onto a device: auto, cuda, mps or cpu.

        Raises:
            ModelUnavailable: The files are damaged, or the device is missing.
        """
        # Many checkpoints lack the pooler of their class, which is not used here.
        return cls(files, version, load_model(files, version, device, unused="pooler."))

    @property
    def measure(self) -> TokenMeasure:
        """Return the measure of the texts that it reads whole."""
        return self._texts.measure

    def encode_passages(self, texts: Sequence[str]) -> Encoded:
        """Embed texts that are searched; those that do not fit the model are named in ``cut``."""
        return self._texts.encode(texts, self._settings.document_prompt)

    def encode_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return (n, dim) float32 vectors, L2-normalised, with the model's prompt for queries.

        Raises:
            ModelUnsupported: The model gave no vector for a text.
        """
        return vectors_or_raise(
            self.version, self._texts.encode(texts, self._settings.query_prompt)
        )

    def _features(self, tokens: dict[str, torch.Tensor]) -> Any:
        inputs = {name: values for name, values in tokens.items() if name in self._accepted}
        hidden_NTD = self._model(**inputs).last_hidden_state
        return pool(hidden_NTD, tokens["attention_mask"], self._settings.pooling)
