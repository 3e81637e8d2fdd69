"""Hold what every encoder of transformers does alike: load its weights, and embed texts.

Owns the way from texts to vectors, with the model's prompts; refuses to know what a model makes of
tokens, pixels or sound. An encoder is what this is plus its features.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.encoder import Encoded, Encoder, vectors_or_raise
from crossmodal.encoders.forward import Forward, load_model
from crossmodal.encoders.text_forward import TextForward
from crossmodal.encoders.tokens import TokenMeasure
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles
from crossmodal.records import ModelVersion

if TYPE_CHECKING:
    import torch


class LoadedEncoder(Encoder):
    """Serve one loaded model; safe to share between threads."""

    METHODS: ClassVar[tuple[str, ...]] = ()
    """What the model has to offer."""
    UNUSED: ClassVar[str] = "\0"
    """Weights with this prefix may be missing."""

    def __init__(self, files: ModelFiles, version: ModelVersion, forward: Forward) -> None:
        self.version = version
        self._settings = model_files.preprocessing(files)
        self._model = forward.model
        self._forward = forward
        self._texts = TextForward(files, self._settings.text, forward, self._text_features)

    @classmethod
    def load(cls, files: ModelFiles, version: ModelVersion, device: str) -> Self:
        """Load the weights onto a device: auto, cuda, mps or cpu.

        Raises:
            ModelUnsupported: The model lacks features of a modality that it is to serve.
            ModelUnavailable: The files are damaged, or the device is missing.
        """
        forward = load_model(files, version, device, methods=cls.METHODS, unused=cls.UNUSED)
        return cls(files, version, forward)

    @property
    def measure(self) -> TokenMeasure:
        """Return the measure of the texts that it reads whole."""
        return self._texts.measure

    @property
    def model(self) -> Any:
        """Return the module itself, for a training that changes it."""
        return self._model

    def trained_texts(self, texts: Sequence[str]) -> torch.Tensor:
        """Return (n, dim) float32 of length 1, through which gradients flow; no prompt is added."""
        return unit_features(self._text_features(self._texts.tokens(texts)))

    def encode_passages(self, texts: Sequence[str]) -> Encoded:
        """Embed texts that are searched; those that do not fit the model are named in ``cut``."""
        return self._texts.encode(texts, self._settings.text.document_prompt)

    def encode_queries(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return (n, dim) float32 vectors, L2-normalised, with the model's prompt for queries.

        Raises:
            ModelUnsupported: The model gave no vector for a text.
        """
        encoded = self._texts.encode(texts, self._settings.text.query_prompt)
        return vectors_or_raise(self.version, encoded)

    def _text_features(self, tokens: dict[str, torch.Tensor]) -> Any:
        """Return what the model makes of tokens, as ``text_forward.TextFeatures`` says."""
        raise NotImplementedError


def unit_features(output: Any) -> torch.Tensor:
    """Return the pooled (n, dim) features of an output, float32 of length 1."""
    import torch

    pooled_ND: torch.Tensor = getattr(output, "pooler_output", output)
    return torch.nn.functional.normalize(pooled_ND.float(), dim=-1)
