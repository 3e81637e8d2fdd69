"""Say what an encoder is, and keep the one that this process has loaded.

Owns the seam between the model and everything else; refuses to know how a vector is computed. A
model is loaded once a process, and only if its files still are the model version asked for.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tasks.embedding import model_files
from tasks.embedding.model_files import ModelFiles
from tasks.embedding.options import ModelSpec
from tasks.embedding.preprocess import ImagePreprocess
from tasks.errors import ModelMismatch
from tasks.records import ModelVersion


@dataclass(frozen=True, slots=True)
class Failure:
    """Say why one item of a batch got no vector."""

    reason: str
    """``out_of_memory`` or ``not_finite``."""
    detail: str


@dataclass(frozen=True, slots=True)
class EncodedImages:
    """Hold the vectors of a batch; the rows of failed items are zero."""

    vectors: npt.NDArray[np.float32]
    """(n, dim) float32, L2-normalised."""
    failed: dict[int, Failure] = field(default_factory=dict)
    """By row."""


class Encoder(Protocol):
    """Embed images and texts into the space of one model version."""

    version: ModelVersion
    preprocess: ImagePreprocess
    """How an image becomes the pixels that ``encode_images`` takes."""

    @property
    def image_size(self) -> tuple[int, int]:
        """Return the (height, width) that the model takes."""

    def encode_images(self, pixels: npt.NDArray[np.uint8]) -> EncodedImages:
        """Embed (n, height, width, 3) uint8 pixels."""

    def encode_texts(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Return (n, dim) float32 vectors, L2-normalised."""


class EncoderCache:
    """Keep the last loaded encoder of this process; one load at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: tuple[str, ...] | None = None
        self._encoder: Encoder | None = None

    def get(self, files: ModelFiles, version: ModelVersion, device: str) -> Encoder:
        """Return the encoder, loading it where another one, or none, is held."""
        from tasks.embedding.transformers_encoder import TransformersEncoder

        key = (version.fingerprint, str(files.directory), device)
        with self._lock:
            if self._encoder is None or self._key != key:
                self._encoder = None  # give the old model's memory back before the new one comes
                self._encoder, self._key = TransformersEncoder.load(files, version, device), key
            return self._encoder


_CACHE = EncoderCache()


def load_encoder(files: ModelFiles, version: ModelVersion, device: str = "auto") -> Encoder:
    """Return the encoder of a model version; loaded once a process."""
    return _CACHE.get(files, version, device)


def load_version(version: ModelVersion, device: str = "auto") -> Encoder:
    """Return the encoder of a model version that a collection names.

    Raises:
        ModelUnavailable: Its files are no longer to be had.
        ModelMismatch: The files under that name are another model version by now.
    """
    revision = None if version.revision == model_files.LOCAL_REVISION else version.revision
    files = model_files.resolve(ModelSpec(version.name, revision))
    # A hub commit cannot change; a directory can.
    weights = version.weights_hash if revision else model_files.weights_hash(files)
    found = model_files.describe(files, version.dtype, weights)
    if found.fingerprint != version.fingerprint:
        raise ModelMismatch(
            f"{version.name} has changed since the collection was indexed: it is now {found.label} "
            f"and the vectors are of {version.label}. Put the former files back, "
            f"or index again with --model {version.name}"
        )
    return load_encoder(files, version, device)
