"""Keep the one encoder that this process has loaded.

A model is loaded once a process, and only if its files still are the model version asked for.
"""

from __future__ import annotations

import threading

from tasks.embedding import model_files
from tasks.embedding.encoder import Encoder
from tasks.embedding.model_files import ModelFiles
from tasks.embedding.options import ModelSpec
from tasks.errors import ModelMismatch
from tasks.records import ModelVersion


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
