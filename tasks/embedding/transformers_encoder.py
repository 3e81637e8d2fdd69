"""Run an image-text model of transformers: pixels or texts in, unit vectors out.

Owns what such a model makes of pixels and tokens; refuses to read or decode files. How a batch is
run and what becomes of an item that cannot be embedded is in ``forward``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.embedding import model_files
from tasks.embedding.encoder import Encoded, Encoder
from tasks.embedding.forward import Forward, load_model
from tasks.embedding.model_files import ModelFiles
from tasks.embedding.preprocess import ImagePreprocess
from tasks.embedding.text_forward import TextForward
from tasks.embedding.text_measure import TokenMeasure
from tasks.records import ModelVersion

if TYPE_CHECKING:
    import torch


class TransformersEncoder(Encoder):
    """Serve CLIP, SigLIP, VisionTextDualEncoder and their like; safe to share between threads."""

    def __init__(self, files: ModelFiles, version: ModelVersion, forward: Forward) -> None:
        settings = model_files.preprocessing(files)
        assert settings.image is not None, f"{files.name} is no image-text model"
        self.version = version
        self.device = forward.device
        self._model = forward.model
        self._forward = forward
        self._image = settings.image
        self._masked = not settings.text.pad_to_max
        self._texts = TextForward(files, settings.text, forward, self._text_features)
        self._mean = self._constant(settings.image.mean)
        self._std = self._constant(settings.image.std)

    @classmethod
    def load(cls, files: ModelFiles, version: ModelVersion, device: str) -> TransformersEncoder:
        """Load the weights onto a device: auto, cuda, mps or cpu.

        Raises:
            ModelUnsupported: The model has no image or no text features.
            ModelUnavailable: The files are damaged, or the device is missing.
        """
        methods = ("get_image_features", "get_text_features")
        return cls(files, version, load_model(files, version, device, methods=methods))

    @property
    def preprocess(self) -> ImagePreprocess:
        """Return how an image becomes the pixels that ``encode_images`` takes."""
        return self._image

    @property
    def measure(self) -> TokenMeasure:
        """Return the measure of the texts that it reads whole."""
        return self._texts.measure

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> Encoded:
        """Embed (n, height, width, 3) uint8 pixels, halving the batch when memory runs out."""
        return self._forward.encode(self._image_features, pixels)

    def encode_passages(self, texts: Sequence[str]) -> Encoded:
        """Embed texts; those that do not fit the model are named in ``cut``."""
        return self._texts.encode(texts)

    def _image_features(self, pixels: npt.NDArray[np.uint8]) -> Any:
        import torch

        pixels_NHWC = torch.from_numpy(np.require(pixels, requirements=["C", "W"]))
        if self.device == "cuda":
            pixels_NHWC = pixels_NHWC.pin_memory().to(self.device, non_blocking=True)
        else:
            pixels_NHWC = pixels_NHWC.to(self.device)
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
