"""Run an image-text model of transformers: pixels or texts in, unit vectors out.

Owns what such a model makes of pixels and tokens; refuses to read or decode files. How a batch is
run and what becomes of an item that cannot be embedded is in ``forward``.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.encoder import Encoded
from crossmodal.encoders.forward import Features, Forward
from crossmodal.encoders.loaded import LoadedEncoder, unit_features
from crossmodal.models.folder import ModelFiles
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.records import ModelVersion

if TYPE_CHECKING:
    import torch


class TransformersEncoder(LoadedEncoder):
    """Serve CLIP, SigLIP, VisionTextDualEncoder and their like; safe to share between threads."""

    METHODS = ("get_image_features", "get_text_features")

    def __init__(self, files: ModelFiles, version: ModelVersion, forward: Forward) -> None:
        super().__init__(files, version, forward)
        assert self._settings.image is not None, f"{files.name} is no image-text model"
        self.device = forward.device
        self._image = self._settings.image
        self._masked = not self._settings.text.pad_to_max
        self._mean = self._constant(self._image.mean)
        self._std = self._constant(self._image.std)
        self._tower: Features | None = None

    @property
    def preprocess(self) -> ImagePreprocess:
        """Return how an image becomes the pixels that ``encode_images`` takes."""
        return self._image

    @property
    def has_own_threads(self) -> bool:
        """Say whether pictures are computed in other threads than those that ask for them."""
        return self._tower is not None

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> Encoded:
        """Embed (n, height, width, 3) uint8 pixels, halving the batch when memory runs out."""
        return self._forward.encode(self._tower or self._image_features, pixels)

    def run_by(self, tower: Features) -> Self:
        """Return this encoder with something else to make features of pixels; all else is shared.

        ``tower`` takes (n, height, width, 3) uint8 pixels and gives (n, dim) features.
        """
        other = copy.copy(self)
        other._tower = tower
        return other

    def image_module(self) -> torch.nn.Module:
        """Return a module from (n, height, width, 3) uint8 pixels to (n, dim) float32 features."""
        import torch

        features = self._scaled_features

        class Images(torch.nn.Module):
            def __init__(self, model: torch.nn.Module) -> None:
                super().__init__()
                self.model = model

            def forward(self, pixels: torch.Tensor) -> torch.Tensor:
                output = features(pixels)
                pooled_ND: torch.Tensor = getattr(output, "pooler_output", output)
                return pooled_ND.float()

        return Images(self._model).eval()

    def trained_images(self, pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Return (n, dim) float32 of length 1, through which gradients flow."""
        return unit_features(self._image_features(pixels))

    def image_output(self, pixels: npt.NDArray[np.uint8]) -> Any:
        """Return what the image tower gives, its last states and its pooled features alike."""
        return self._image_features(pixels)

    def text_output(self, texts: Sequence[str]) -> tuple[Any, torch.Tensor]:
        """Return what the text tower gives for queries, and the (n, t) mask of their tokens."""
        import torch

        tokens = self._texts.tokens([self._settings.text.query_prompt + text for text in texts])
        mask = tokens.get("attention_mask")
        return self._text_features(tokens), (
            torch.ones_like(tokens["input_ids"]) if mask is None else mask
        )

    def _image_features(self, pixels: npt.NDArray[np.uint8]) -> Any:
        import torch

        pixels_NHWC = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
        if self.device == "cuda":
            pixels_NHWC = pixels_NHWC.pin_memory().to(self.device, non_blocking=True)
        else:
            pixels_NHWC = pixels_NHWC.to(self.device)
        return self._scaled_features(pixels_NHWC)

    def _scaled_features(self, pixels_NHWC: torch.Tensor) -> Any:
        scaled_NHWC = (pixels_NHWC.float() * self._image.rescale - self._mean) / self._std
        values_NCHW = scaled_NHWC.permute(0, 3, 1, 2).contiguous().to(self._model.dtype)
        return self._model.get_image_features(pixel_values=values_NCHW)

    def _text_features(self, tokens: dict[str, torch.Tensor]) -> Any:
        if not self._masked:
            return self._model.get_text_features(input_ids=tokens["input_ids"])
        return self._model.get_text_features(**tokens)

    def _constant(self, values: tuple[float, ...]) -> torch.Tensor:
        import torch

        return torch.tensor(values, device=self.device)
