"""Keep the few encoders that this process has loaded: those of one line-up of model versions.

A model is loaded once a process, and only if its files still are the model version asked for.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from crossmodal.encoders.encoder import Encoder
from crossmodal.errors import ModelMismatch
from crossmodal.models import files as model_files
from crossmodal.models.folder import ModelFiles
from crossmodal.records import ModelVersion

MAX_ENCODERS = 4


@dataclass(slots=True)
class _Slot:
    turn: threading.Lock = field(default_factory=threading.Lock)
    encoder: Encoder | None = None


class EncoderCache:
    """Keep the encoders that were used last; each is loaded by one thread, the others wait."""

    def __init__(self, max_encoders: int = MAX_ENCODERS) -> None:
        self._max_encoders = max_encoders
        self._lock = threading.Lock()
        self._slots: OrderedDict[tuple[str, ...], _Slot] = OrderedDict()

    def get(self, files: ModelFiles, version: ModelVersion, device: str) -> Encoder:
        """Return the encoder, loading it where it is not held."""
        slot = self._slot((version.fingerprint, str(files.directory), device))
        with slot.turn:
            if slot.encoder is None:
                slot.encoder = _load(files, version, device)
            return slot.encoder

    def _slot(self, key: tuple[str, ...]) -> _Slot:
        """Return the place of an encoder, giving up the one that was not used for longest."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot())
            self._slots.move_to_end(key)
            while len(self._slots) > self._max_encoders:
                # Its memory comes back before the new one's is asked for.
                self._slots.popitem(last=False)
            return slot


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
    return load_encoder(files, version, device)


def _load(files: ModelFiles, version: ModelVersion, device: str) -> Encoder:
    if "image" in version.encoders:
        from crossmodal.encoders.image_text import TransformersEncoder

        return TransformersEncoder.load(files, version, device)
    if "audio" in version.encoders:
        from crossmodal.encoders.audio_text import AudioEncoder

        return AudioEncoder.load(files, version, device)
    from crossmodal.encoders.text import SentenceEncoder

    return SentenceEncoder.load(files, version, device)
