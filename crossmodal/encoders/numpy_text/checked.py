"""Use numpy for queries only where it was measured to give what torch gives.

The first process that loads a model's torch encoder for texts compares both on a few texts and
writes what it found into the cache, by the fingerprint of the model version. Nothing is assumed:
without such a note, or with another result, torch answers.
"""

from __future__ import annotations

import hashlib
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np

from crossmodal.encoders.numpy_text.weights import Floats
from crossmodal.errors import CrossmodalError
from crossmodal.files.cache_folder import cache_root, write_whole
from crossmodal.models.folder import ModelFiles
from crossmodal.records import ModelVersion

MAX_DIFFERENCE = 1e-3
"""Of any component of two unit vectors, where the model computes in float32."""
MAX_ROUNDED_DISTANCE = 1e-4
"""By cosine, where torch rounds every step to half a float's bits, as numpy here does not."""
MAX_TEXTS = 16
"""More at once are quicker with torch, which takes them together."""
_REVISION = 1
_PROBES = (
    "a boat",
    "Two dogs play in the snow, seen from above.",
    "Überraschung: 北京 42 €",
    "the minutes of the meeting on the budget for the coming year " * 4,
)


class QueryEncoder(Protocol):
    """Turn search queries into vectors."""

    def encode_queries(self, texts: list[str]) -> Floats:
        """Return (n, dim) float32 vectors, L2-normalised."""


def numpy_texts(files: ModelFiles, version: ModelVersion) -> QueryEncoder | None:
    """Return an encoder that needs no torch; None where torch is loaded, or was not compared."""
    if "torch" in sys.modules or not _noted(version):
        return None
    from crossmodal.encoders.numpy_text.encoder import NumpyTexts

    try:
        return NumpyTexts(files, version)
    except CrossmodalError:
        return None


def compare(files: ModelFiles, version: ModelVersion, encoder: QueryEncoder) -> None:
    """Note whether numpy gives what an encoder gives, unless that is known."""
    if "text" not in version.encoders or _noted(version) is not None:
        return
    from crossmodal.encoders.numpy_text.encoder import NumpyTexts

    texts = list(_PROBES)
    try:
        ours = NumpyTexts(files, version).encode_queries(texts)
        is_equal = _are_equal(ours, encoder.encode_queries(texts), version.dtype)
    except (CrossmodalError, OSError, ValueError, KeyError, IndexError, TypeError):
        is_equal = False
    with suppress(OSError, RuntimeError):
        _write(version, is_equal)


def _are_equal(ours: Floats, theirs: Floats, dtype: str) -> bool:
    if dtype == "float32":
        return bool(np.abs(ours - theirs).max() <= MAX_DIFFERENCE)
    return bool((1 - (ours * theirs).sum(axis=1)).max() <= MAX_ROUNDED_DISTANCE)


def _noted(version: ModelVersion) -> bool | None:
    try:
        told = json.loads(_path(version).read_text("utf-8"))
    except (OSError, ValueError, RuntimeError):
        return None
    return bool(told.get("is_equal")) if isinstance(told, dict) else None


def _write(version: ModelVersion, is_equal: bool) -> None:
    write_whole(_path(version), json.dumps({"is_equal": is_equal}))


def _path(version: ModelVersion) -> Path:
    name = hashlib.sha256(f"{_REVISION}|{version.fingerprint}".encode()).hexdigest()
    return cache_root() / "numpy-text" / f"{name[:32]}.json"
