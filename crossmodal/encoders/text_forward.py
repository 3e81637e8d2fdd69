"""Turn texts into the tokens of a model and run them, in batches of like length.

Owns padding, prompts and the model's length; refuses to know what the model makes of the tokens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.encoder import Encoded
from crossmodal.encoders.forward import Forward
from crossmodal.encoders.tokens import TokenMeasure, load_tokenizer, measure_of, set_up
from crossmodal.models.folder import ModelFiles
from crossmodal.models.text_preprocess import TextPreprocess, readable

if TYPE_CHECKING:
    import torch

_BATCH = 64

TextFeatures = Callable[[dict[str, "torch.Tensor"]], Any]
"""Takes input_ids, attention_mask and the like, (n, tokens), on the model's device."""


class TextForward:
    """Embed texts with one model; the tokenizer is read at the first text."""

    def __init__(
        self, files: ModelFiles, settings: TextPreprocess, forward: Forward, features: TextFeatures
    ) -> None:
        self._files = files
        self._settings = settings
        self._forward = forward
        self._features = features
        self._turn = threading.Lock()

    def encode(self, texts: Sequence[str], prompt: str = "") -> Encoded:
        """Embed texts, each after the prompt; those that were too long are named in ``cut``."""
        prompted = [prompt + readable(text) for text in texts]
        # Texts of like length waste little of a batch on padding.
        order = sorted(range(len(prompted)), key=lambda row: len(prompted[row]))
        encoded = Encoded(np.zeros((len(texts), self._forward.version.dim), np.float32))
        for start in range(0, len(order), _BATCH):
            rows = order[start : start + _BATCH]
            tokens, cut = self._tokenise([prompted[row] for row in rows])
            batch = self._forward.encode(self._run, tokens)
            encoded.vectors[rows] = batch.vectors
            encoded.failed.update({rows[row]: failure for row, failure in batch.failed.items()})
            encoded.cut.update(rows[row] for row in cut)
        return encoded

    def tokens(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """Return the tokens of texts, cut at the model's length, on the model's device."""
        found, _ = self._tokenise([readable(text) for text in texts])
        return {name: values_NT.to(self._forward.device) for name, values_NT in found[:].items()}

    @cached_property
    def measure(self) -> TokenMeasure:
        """Return the measure of the texts that the model reads whole."""
        return measure_of(self._files)

    def _run(self, tokens: dict[str, torch.Tensor]) -> Any:
        return self._features(
            {name: values_NT.to(self._forward.device) for name, values_NT in tokens.items()}
        )

    def _tokenise(self, texts: list[str]) -> tuple[_Tokens, list[int]]:
        """Return the tokens of a batch, and the rows that were cut."""
        # Every call sets the padding and the length of the one tokenizer.
        with self._turn:
            tokens = self._tokenizer(
                texts,
                padding="max_length" if self._settings.pad_to_max else True,
                truncation=True,
                max_length=self._settings.max_length,
                return_tensors="pt",
            )
        cut = [row for row, one in enumerate(tokens.encodings or ()) if one.overflowing]
        return _Tokens(tokens), cut

    @cached_property
    def _tokenizer(self) -> Any:
        tokenizer = load_tokenizer(self._files.directory)
        if backend := getattr(tokenizer, "backend_tokenizer", None):
            set_up(backend, self._settings)
        return tokenizer


class _Tokens:
    """Slice a batch of tokens by text, whatever arrays its tokenizer gives."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]) -> None:
        self._tensors = dict(tensors)

    def __len__(self) -> int:
        return len(self._tensors["input_ids"])

    def __getitem__(self, rows: slice) -> dict[str, torch.Tensor]:
        return {name: values_NT[rows] for name, values_NT in self._tensors.items()}
