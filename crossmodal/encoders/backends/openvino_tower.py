"""Convert the image tower of a model for OpenVINO, keep it, and run it on the processor.

Owns the cache: a folder for each model version and version of OpenVINO, which appears whole, by a
rename, and holds the SHA-256 of its files. One that disagrees is made anew; where it cannot be
kept, what was converted serves this process. Refuses to judge the vectors.
"""

from __future__ import annotations

import hashlib
import json
import os
import queue
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmodal.encoders.backends.names import FORMATS, openvino_version
from crossmodal.encoders.forward import num_passes
from crossmodal.errors import ExtraMissing
from crossmodal.files.cache_folder import cache_root
from crossmodal.records import ModelVersion

if TYPE_CHECKING:
    import torch

    from crossmodal.encoders.image_text import TransformersEncoder

_REVISION = 1
_MODEL, _WEIGHTS, _NOTE = "tower.xml", "tower.bin", "tower.json"
_MAX_KEPT = 4
"""Towers in the cache, the ones used last: each is as large as the model's."""


class OpenVinoTower:
    """Give the image features of pixels; safe to share between threads, a core each."""

    def __init__(self, model: Any, dtype: str) -> None:
        cores = num_passes("cpu")
        settings = {
            # What it takes by itself, such as bfloat16 for float32, would be another version.
            "INFERENCE_PRECISION_HINT": FORMATS[dtype],
            "NUM_STREAMS": cores,
            "INFERENCE_NUM_THREADS": cores,
            "ENABLE_CPU_PINNING": False,
        }
        self._compiled = openvino().Core().compile_model(model, "CPU", settings)
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> torch.Tensor:
        """Return the (n, dim) float32 features of (n, height, width, 3) uint8 pixels."""
        import torch

        try:
            request = self._idle.get_nowait()
        except queue.Empty:
            request = self._compiled.create_infer_request()
        try:
            features = request.infer([np.ascontiguousarray(pixels)])[0]
        finally:
            self._idle.put(request)
        return torch.from_numpy(features)


def opened(encoder: TransformersEncoder, *, keep: bool = True) -> OpenVinoTower:
    """Return the image tower of an encoder on the processor, converted where it is not kept.

    Without ``keep`` it is neither looked for nor put into the cache.

    Raises:
        ExtraMissing: OpenVINO is not installed.
        RuntimeError: OpenVINO cannot convert or run it.
    """
    openvino()
    version = encoder.version
    folder = _folder(version) if keep else None
    model = _kept(folder)
    if model is None:
        model = converted(encoder)
        with suppress(OSError, RuntimeError):
            _keep(model, folder)
    return OpenVinoTower(model, version.dtype)


def openvino() -> Any:
    """Return the library, which is kept from telling its makers that it is used.

    Raises:
        ExtraMissing: it is not installed.
    """
    # It tells at its import already, and does without where this module cannot be imported.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise ExtraMissing(
            "the backend openvino is not installed: pip install 'crossmodal[openvino]', "
            "or leave --backend out"
        ) from error
    return openvino


def converted(encoder: TransformersEncoder) -> Any:
    """Return a model of OpenVINO, from (n, height, width, 3) uint8 pixels to features."""
    import torch

    height, width = encoder.image_size
    shape = openvino().PartialShape([-1, height, width, 3])
    # Tracing tells of every branch on a shape, and that torch has something newer.
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        return openvino().convert_model(
            encoder.image_module(),
            example_input=torch.from_numpy(encoder.preprocess.noise(2)),
            input=[(shape, openvino().Type.u8)],
        )


def _folder(version: ModelVersion) -> Path | None:
    key = f"{_REVISION}|{openvino_version()}|{version.fingerprint}"
    with suppress(RuntimeError):  # nobody's home
        return cache_root() / "openvino" / hashlib.sha256(key.encode()).hexdigest()[:32]
    return None


def _kept(folder: Path | None) -> Any:
    """Return the model of a folder; None where there is none, or it is damaged."""
    if folder is None:
        return None
    try:
        if json.loads((folder / _NOTE).read_text("utf-8")) != _digests(folder):
            return None
        os.utime(folder)
        return openvino().Core().read_model(folder / _MODEL)
    except (OSError, ValueError, RuntimeError):
        return None


def _keep(model: Any, folder: Path | None) -> None:
    """Put a model into the cache, in the place of a damaged one.

    Raises:
        OSError, RuntimeError: there is no room, or it may not be written.
    """
    if folder is None:
        return
    with _partial(folder) as partial:
        openvino().save_model(model, partial / _MODEL, compress_to_fp16=False)
        (partial / _NOTE).write_text(json.dumps(_digests(partial)), "utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    kept = sorted(folder.parent.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for old in kept[_MAX_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)


@contextmanager
def _partial(folder: Path) -> Iterator[Path]:
    partial = folder.with_name(f".{folder.name}-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _digests(folder: Path) -> dict[str, str]:
    found = {}
    for name in (_MODEL, _WEIGHTS):
        with (folder / name).open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
