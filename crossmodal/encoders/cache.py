"""Keep the few encoders that this process has loaded: those of one line-up of model versions.

A model is loaded once a process, and only if its files still are the model version asked for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache

from crossmodal.encoders.backends.names import OPENVINO, TORCH
from crossmodal.encoders.encoder import Encoder
from crossmodal.encoders.numpy_text.checked import MAX_TEXTS, QueryEncoder, compare, numpy_texts
from crossmodal.errors import ModelMismatch
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles
from crossmodal.models.kinds import kind_name
from crossmodal.records import ModelVersion

if TYPE_CHECKING:
    from crossmodal.encoders.loaded import LoadedEncoder

MAX_ENCODERS = 4


@dataclass(slots=True)
class _Slot:
    turn: threading.Lock = field(default_factory=threading.Lock)
    encoder: Encoder | None = None


class EncoderCache:
    """Keep the encoders that were used last; each is loaded by one thread, the others wait."""

    def __init__(self, max_encoders: int = MAX_ENCODERS) -> None:
        self._lock = threading.Lock()
        self._slots: LRUCache[tuple[str, ...], _Slot] = LRUCache(max_encoders)

    def get(
        self, files: ModelFiles, version: ModelVersion, device: str, backend: str = TORCH
    ) -> Encoder:
        """Return the encoder, loading it where it is not held."""
        slot = self._slot((version.fingerprint, str(files.directory), device, backend))
        with slot.turn:
            if slot.encoder is None:
                slot.encoder = self._loaded(files, version, device, backend)
            return slot.encoder

    def _loaded(
        self, files: ModelFiles, version: ModelVersion, device: str, backend: str
    ) -> Encoder:
        if backend != OPENVINO:
            return _load(files, version, device)
        from crossmodal.encoders.backends.checked import by_openvino

        # Torch's stays beside it: texts, and single pictures on all cores, are its own.
        encoder: Any = self.get(files, version, device)
        return by_openvino(encoder)

    def _slot(self, key: tuple[str, ...]) -> _Slot:
        """Return the place of an encoder, giving up the one that was not used for longest.

        Its memory comes back before the new one's is asked for.
        """
        with self._lock:
            if key not in self._slots:
                self._slots[key] = _Slot()
            return self._slots[key]


_CACHE = EncoderCache()


def load_encoder(
    files: ModelFiles, version: ModelVersion, device: str = "auto", backend: str = TORCH
) -> Encoder:
    """Return the encoder of a model version; loaded once a process."""
    return _CACHE.get(files, version, device, backend)


def load_version(version: ModelVersion, device: str = "auto", backend: str = TORCH) -> Encoder:
    """Return the encoder of a model version that a collection names.

    ``backend`` runs its image tower, torch or openvino.

    Raises:
        ModelUnavailable: Its files are no longer to be had.
        ModelMismatch: The files under that name are another model version by now.
        ModelUnsupported: The backend cannot run it, or gives other vectors than torch.
        ExtraMissing: The backend is not installed.
    """
    if version.derived:
        from crossmodal.encoders.derived import DerivedEncoder

        return DerivedEncoder(version, load_version(version.derived.parent, device))
    return load_encoder(_files_of(version), version, device, backend)


def load_for_queries(version: ModelVersion, device: str, num_texts: int) -> QueryEncoder:
    """Return what encodes a few queries with a model version that a collection names.

    Where torch is not loaded, and numpy was measured to give the same, that is numpy.

    Raises as ``load_version`` does.
    """
    if version.derived or device not in ("auto", "cpu") or num_texts > MAX_TEXTS:
        return load_version(version, device)
    files = _files_of(version)
    return numpy_texts(files, version) or load_encoder(files, version, device)


def _files_of(version: ModelVersion) -> ModelFiles:
    """Return the files of a model version, made sure of."""
    files = model_files.files_of(version)
    # A hub commit cannot change; a directory can.
    is_local = version.revision == model_files.LOCAL_REVISION
    weights = model_files.weights_hash(files) if is_local else version.weights_hash
    found = model_files.describe(files, version.dtype, weights)
    if found.fingerprint != version.fingerprint:
        raise ModelMismatch(
            f"{version.name} has changed since the collection was indexed: it is now {found.label} "
            f"and the vectors are of {version.label}. Put the former files back, "
            f"or index again with --model {version.name}"
        )
    return files


def _load(files: ModelFiles, version: ModelVersion, device: str) -> Encoder:
    encoder = _CLASSES[kind_name(version.encoders)]().load(files, version, device)
    compare(files, version, encoder)
    if not files.tower:
        return encoder
    from crossmodal.encoders.backends.int8_tower import with_tower

    seeing: Any = encoder
    return with_tower(seeing, files)


def _image_text() -> type[LoadedEncoder]:
    from crossmodal.encoders.image_text import TransformersEncoder

    return TransformersEncoder


def _patches_text() -> type[LoadedEncoder]:
    from crossmodal.encoders.patches_text import PatchesEncoder

    return PatchesEncoder


def _text() -> type[LoadedEncoder]:
    from crossmodal.encoders.text import SentenceEncoder

    return SentenceEncoder


def _audio_text() -> type[LoadedEncoder]:
    from crossmodal.encoders.audio_text import AudioEncoder

    return AudioEncoder


def _waveform_text() -> type[LoadedEncoder]:
    from crossmodal.encoders.waveform_text import WaveformEncoder

    return WaveformEncoder


def _gemma() -> type[LoadedEncoder]:
    from crossmodal.encoders.gemma import GemmaEncoder

    return GemmaEncoder


def _qwen() -> type[LoadedEncoder]:
    from crossmodal.encoders.qwen import QwenEncoder

    return QwenEncoder


# By kind of encoder; functions, because importing what runs a kind imports more than most need.
_CLASSES: dict[str, Callable[[], type[LoadedEncoder]]] = {
    "image-text": _image_text,
    "patches-text": _patches_text,
    "text": _text,
    "audio-text": _audio_text,
    "waveform-text": _waveform_text,
    "gemma": _gemma,
    "qwen": _qwen,
}
