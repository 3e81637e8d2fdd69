"""Run an image-text model of transformers: pixels or texts in, unit vectors out.

Owns the loaded model, its device and its number format; refuses to read or decode files. Every
vector that leaves is finite, float32 and of length 1; an item that the model cannot embed comes
back as a failure beside the others and never takes its batch along.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tasks.embedding import model_files
from tasks.embedding.encoder import EncodedImages, Failure
from tasks.embedding.model_files import ModelFiles
from tasks.errors import ModelMismatch, ModelUnavailable, ModelUnsupported
from tasks.records import ModelVersion

if TYPE_CHECKING:
    import torch

_TEXT_BATCH = 64
_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")
_NOT_FINITE = Failure("not_finite", "the model gave no finite vector of length 1")


class TransformersEncoder:
    """Serve CLIP, SigLIP, VisionTextDualEncoder and their like; safe to share between threads."""

    def __init__(self, files: ModelFiles, version: ModelVersion, model: Any, device: str) -> None:
        self.version = version
        self.preprocess = model_files.preprocessing(files)
        self.device = device
        self._files = files
        self._model = model
        self._turn = threading.Lock()
        self._mean = self._constant(self.preprocess.mean)
        self._std = self._constant(self.preprocess.std)

    @classmethod
    def load(cls, files: ModelFiles, version: ModelVersion, device: str) -> TransformersEncoder:
        """Load the weights onto a device: auto, cuda, mps or cpu.

        Raises:
            ModelUnsupported: The model has no image or no text features.
            ModelUnavailable: The files are damaged, or the device is missing.
        """
        import torch

        place = _choose_device(device)
        with _quiet_transformers() as transformers:
            try:
                model, report = transformers.AutoModel.from_pretrained(
                    files.directory,
                    dtype=getattr(torch, version.dtype),
                    local_files_only=True,
                    trust_remote_code=False,
                    output_loading_info=True,
                )
            except Exception as error:  # safetensors and pickle raise types of their own
                raise ModelUnavailable(f"{files.directory} cannot be loaded: {error}") from error
        if report["missing_keys"]:  # transformers would go on with random numbers in their place
            raise ModelUnavailable(
                f"the weights in {files.directory} lack {len(report['missing_keys'])} tensors of "
                f"{type(model).__name__}, such as {min(report['missing_keys'])}"
            )
        for feature in ("get_image_features", "get_text_features"):
            if not hasattr(model, feature):
                raise ModelUnsupported(f"{type(model).__name__} has no {feature}")
        return cls(files, version, model.eval().to(place), place)

    @property
    def image_size(self) -> tuple[int, int]:
        """Return the (height, width) that the model takes."""
        return self.preprocess.height, self.preprocess.width

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> EncodedImages:
        """Embed (n, height, width, 3) uint8 pixels, halving the batch when memory runs out."""
        encoded = EncodedImages(np.zeros((len(pixels), self.version.dim), np.float32))
        self._encode_range(pixels, slice(0, len(pixels)), encoded)
        for row in np.flatnonzero(~_is_unit(encoded.vectors)):
            encoded.vectors[row] = 0
            encoded.failed.setdefault(int(row), _NOT_FINITE)
        return encoded

    def encode_texts(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Return (n, dim) float32 vectors, L2-normalised; long texts are cut at the model's length.

        Raises:
            ModelUnsupported: The model gave a vector that is not finite.
        """
        vectors = np.zeros((len(texts), self.version.dim), np.float32)
        for start in range(0, len(texts), _TEXT_BATCH):
            rows = slice(start, start + _TEXT_BATCH)
            vectors[rows] = self._forward(self._text_features, texts[rows])
        if not _is_unit(vectors).all():
            raise ModelUnsupported(
                f"{self.version.label} gave no finite vector for a text: "
                "try another number format, such as --dtype float32"
            )
        return vectors

    def _encode_range(
        self, pixels: npt.NDArray[np.uint8], rows: slice, encoded: EncodedImages
    ) -> None:
        """Embed some rows in place; recursion ends at the single item that does not fit."""
        if rows.start == rows.stop:
            return
        try:
            encoded.vectors[rows] = self._forward(self._image_features, pixels[rows])
            return
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            message = (str(error).splitlines() or [type(error).__name__])[0][:300]
        if rows.stop - rows.start == 1:
            encoded.failed[rows.start] = Failure("out_of_memory", message)
            return
        self._release_memory()
        middle = (rows.start + rows.stop) // 2
        self._encode_range(pixels, slice(rows.start, middle), encoded)
        self._encode_range(pixels, slice(middle, rows.stop), encoded)

    def _forward(self, features: Callable[[Any], Any], items: Any) -> npt.NDArray[np.float32]:
        """Return the normalised features of a batch; one forward pass at a time."""
        import torch

        with self._turn, torch.inference_mode():
            output = features(items)
            vectors_ND = getattr(output, "pooler_output", output).float()
            unit_ND = torch.nn.functional.normalize(vectors_ND, dim=-1)
            array: npt.NDArray[np.float32] = unit_ND.cpu().numpy()
        if array.shape[1] != self.version.dim:
            raise ModelMismatch(
                f"{self.version.label} gives vectors of {array.shape[1]} dimensions, "
                f"not of the {self.version.dim} that its configuration promises"
            )
        return array

    def _image_features(self, pixels: npt.NDArray[np.uint8]) -> Any:
        import torch

        pixels_NHWC = torch.from_numpy(np.require(pixels, requirements=["C", "W"])).to(self.device)
        scaled_NHWC = (pixels_NHWC.float() * self.preprocess.rescale - self._mean) / self._std
        values_NCHW = scaled_NHWC.permute(0, 3, 1, 2).contiguous().to(self._model.dtype)
        return self._model.get_image_features(pixel_values=values_NCHW)

    def _text_features(self, texts: list[str]) -> Any:
        text_config = self._model.config.text_config
        fixed_length = self._model.config.model_type == "siglip"
        positions = getattr(text_config, "max_position_embeddings", None)
        tokens = self._tokenizer(
            texts,
            padding="max_length" if fixed_length else True,
            truncation=True,
            max_length=min(self._tokenizer.model_max_length, positions or 512),
            return_tensors="pt",
        ).to(self.device)
        if fixed_length:  # SigLIP was trained without a mask: it attends to the padding
            return self._model.get_text_features(input_ids=tokens["input_ids"])
        return self._model.get_text_features(**tokens)

    @cached_property
    def _tokenizer(self) -> Any:
        with _quiet_transformers() as transformers:
            return transformers.AutoTokenizer.from_pretrained(
                self._files.directory, local_files_only=True, trust_remote_code=False
            )

    def _constant(self, values: tuple[float, ...]) -> torch.Tensor:
        import torch

        return torch.tensor(values, device=self.device)

    def _release_memory(self) -> None:
        import torch

        if self.device == "cuda":
            torch.cuda.empty_cache()


def _choose_device(device: str) -> str:
    import torch

    has_cuda, has_mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if device == "auto":
        return "cuda" if has_cuda else "mps" if has_mps else "cpu"
    if (device == "cuda" and not has_cuda) or (device == "mps" and not has_mps):
        raise ModelUnavailable(f"there is no device {device} here: use auto or cpu")
    return device


def _is_unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Say for each row whether it is finite and of length 1."""
    close: npt.NDArray[np.bool_] = np.abs(np.linalg.norm(vectors, axis=1) - 1) < 1e-3
    return close


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(
        words in str(error).lower() for words in _OUT_OF_MEMORY
    )


@contextmanager
def _quiet_transformers() -> Iterator[Any]:
    """Yield transformers with its progress bars, advice and warnings off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

        transformers.utils.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        yield transformers
