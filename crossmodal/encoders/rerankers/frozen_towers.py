"""Lend the token vectors of a dual encoder's frozen towers to a network that reads both.

Owns what a picture's tokens are: its own vector, by which it is searched, then its patches, two by
two taken together. Nothing in a tower moves, so a picture's tokens may be kept. The encoder is the
one that searches share, loaded once a process.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from crossmodal.encoders.cache import load_encoder
from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.encoders.rerankers.reranker import Tokens
from crossmodal.errors import ModelUnsupported
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


class Words(NamedTuple):
    """Hold what the text tower makes of n texts, float32."""

    vectors: torch.Tensor
    """(n, dim), of length 1."""
    states: torch.Tensor
    """(n, t, width)."""
    mask: torch.Tensor
    """(n, t): where there is a token."""


class FrozenTowers:
    """Serve the towers of one image-text model; safe to share between threads."""

    def __init__(self, encoder: TransformersEncoder, weights_hash: str) -> None:
        self.encoder = encoder
        self.weights_hash = weights_hash

    @classmethod
    def load(cls, name: str, device: str) -> FrozenTowers:
        """Return the towers of a directory or hub id.

        Raises:
            ModelUnavailable: there is none, or its files are damaged.
            ModelUnsupported: it has no towers of pictures and texts.
        """
        files = model_files.resolve(ModelSpec(name))
        weights = model_files.weights_hash(files)
        version = model_files.describe(files, model_files.choose_dtype("auto", device), weights)
        if {"image", "text"} <= set(version.encoders):
            encoder = load_encoder(files, version, device)
            # Of patches in any number the tokens are of a number each, padded.
            if type(encoder) is TransformersEncoder:
                return cls(encoder, weights)
        raise ModelUnsupported(
            f"{name} gives no tokens of pictures and words: take an image-text model of "
            "transformers, such as a CLIP or a SigLIP"
        )

    def tokens(self, pictures: Sequence[Image]) -> list[Tokens]:
        """Return the (1 + p, width) tokens of each picture."""
        import torch

        pixels = np.stack([self.encoder.preprocess.apply(picture) for picture in pictures])
        with torch.inference_mode():
            output = self.encoder.image_output(pixels)
            own = output.pooler_output.float()
            patches = _pooled(output.last_hidden_state.float())
            width = max(own.shape[1], patches.shape[2])
            rows = torch.cat([_filled(own[:, None], width), _filled(patches, width)], dim=1)
            units = torch.nn.functional.normalize(rows, dim=2).cpu().numpy()
        return list(units.astype(np.float16))

    def words(self, texts: Sequence[str]) -> Words:
        """Return what the text tower makes of texts, with the model's prompt for queries."""
        import torch

        with torch.no_grad():  # a training goes through these, which inference_mode would forbid
            output, mask = self.encoder.text_output(texts)
            vectors = torch.nn.functional.normalize(output.pooler_output.float(), dim=1)
            return Words(vectors, output.last_hidden_state.float(), mask.bool())


def _pooled(states: Any) -> Any:
    """Return the patches of (n, t, width) states, two by two averaged where they fill a square."""
    side = math.isqrt(states.shape[1])
    if side % 2 or states.shape[1] - side**2 > 1:
        return states
    grid = states[:, -(side**2) :]
    half = side // 2
    return grid.reshape(len(grid), half, 2, half, 2, -1).mean((2, 4)).flatten(1, 2)


def _filled(rows: Any, width: int) -> Any:
    import torch

    return torch.nn.functional.pad(rows, (0, width - rows.shape[2]))
