"""Find a model's files and say which model version they are, without loading it.

Owns where models lie (a directory, the hub's cache, the hub) and what identifies one: weights,
preprocessing, dimension, number format. Refuses to import torch or transformers: a run that has
nothing to embed still has to know its model version, in milliseconds.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks.embedding.options import ModelSpec
from tasks.embedding.preprocess import ImagePreprocess
from tasks.errors import ModelUnavailable, ModelUnsupported
from tasks.records import ModelVersion

LOCAL_REVISION = "local"
_ENCODERS = {"image": "vision", "text": "text"}
# As transformers itself prefers them.
_WEIGHT_PATTERNS = (
    "model.safetensors",
    "model-*.safetensors",
    "pytorch_model.bin",
    "pytorch_model-*.bin",
)
_SMALL_FILES = ["*.json", "*.txt", "*.model"]
# Configurations leave out what equals the default of their class.
_DEFAULT_DIMS = {
    "clip": 512,
    "chinese_clip": 512,
    "metaclip_2": 512,
    "altclip": 768,
    "siglip": 768,
    "vision-text-dual-encoder": 512,
}
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Point to the files of one model."""

    name: str
    """Hub id or absolute directory."""
    revision: str
    """Hub commit, or ``local``."""
    directory: Path
    weights: tuple[Path, ...]


def resolve(spec: ModelSpec) -> ModelFiles:
    """Find the files: a directory, else the hub's cache, else the hub.

    Raises:
        ModelUnavailable: There is no such directory, or the hub could not give it.
    """
    directory = Path(spec.name).expanduser()
    if directory.is_dir():
        return _in_directory(os.path.abspath(directory), LOCAL_REVISION, directory.absolute())
    if directory.is_absolute() or spec.name.startswith((".", "~")) or spec.name.count("/") > 1:
        raise ModelUnavailable(
            f"there is no directory {spec.name}: give the folder that holds the model's "
            "config.json and weights, or a hub id such as openai/clip-vit-base-patch32"
        )
    return _cached(spec) or _downloaded(spec)


def stat_key(files: ModelFiles) -> str:
    """Return a digest of the weight files' paths, sizes and times: equal means unchanged."""
    facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files.weights]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def weights_hash(files: ModelFiles) -> str:
    """Return the SHA-256 over the weight files in order of name, in hex; reads them all."""
    return _hash_files(files.weights, stat_key(files))


@lru_cache(maxsize=8)
def _hash_files(paths: tuple[Path, ...], _stat_key: str) -> str:
    """Hash the files; remembered by this process while their stat is the same."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def preprocessing(files: ModelFiles) -> ImagePreprocess:
    """Return how the model's images are prepared."""
    combined = _read_json(files, "processor_config.json").get("image_processor")
    config = combined or _read_json(files, "preprocessor_config.json")
    if not config:
        raise ModelUnsupported(f"{files.name} has no preprocessor_config.json: not an image model")
    return ImagePreprocess.from_config(config)


def describe(files: ModelFiles, dtype: str, weights_hash: str) -> ModelVersion:
    """Return the model version that these files are when computed in ``dtype``.

    Raises:
        ModelUnsupported: It is no image-text model of a known shape.
    """
    return ModelVersion(
        name=files.name,
        revision=files.revision,
        weights_hash=weights_hash,
        preprocessing=preprocessing(files).fingerprint,
        dim=_dim(files),
        dtype=dtype,
        encoders=_ENCODERS,
    )


def choose_dtype(requested: str, device: str) -> str:
    """Return the number format to compute in; ``auto`` takes bfloat16 where it is native."""
    if requested != "auto":
        return requested
    on_gpu = device == "cuda" or (device == "auto" and Path("/proc/driver/nvidia/version").exists())
    on_cpu = device in ("auto", "cpu") and bool(_BF16_FLAGS & _cpu_flags())
    return "bfloat16" if on_gpu or on_cpu else "float32"


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return set(flags.split())


def _dim(files: ModelFiles) -> int:
    config = _read_json(files, "config.json")
    kind = config.get("model_type")
    if kind not in _DEFAULT_DIMS:
        raise ModelUnsupported(
            f"{files.name} is of type {kind!r}; image-text models of these types can be used: "
            f"{', '.join(sorted(_DEFAULT_DIMS))}"
        )
    if kind == "siglip":
        dim = config.get("vision_config", {}).get("hidden_size")
    else:
        dim = config.get("projection_dim")
    return int(dim or _DEFAULT_DIMS[kind])


def _read_json(files: ModelFiles, name: str) -> dict[str, Any]:
    """Return a JSON object of the model's directory; empty where there is none."""
    try:
        content = json.loads((files.directory / name).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelUnsupported(f"{files.directory / name} cannot be read: {error}") from error
    return content if isinstance(content, dict) else {}


def _in_directory(name: str, revision: str, directory: Path) -> ModelFiles:
    weights = _find_weights(directory)
    if not weights or not (directory / "config.json").is_file():
        raise ModelUnavailable(
            f"{directory} holds no model: a config.json and one of "
            f"{', '.join(_WEIGHT_PATTERNS)} are needed"
        )
    return ModelFiles(name, revision, directory, weights)


def _find_weights(directory: Path) -> tuple[Path, ...]:
    for pattern in _WEIGHT_PATTERNS:
        if found := tuple(sorted(directory.glob(pattern))):
            return found
    return ()


def _cached(spec: ModelSpec) -> ModelFiles | None:
    """Return the model from the hub's cache, or None where it is missing or incomplete."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(spec.name, revision=spec.revision, local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    directory = Path(folder)
    if not _find_weights(directory) or not (directory / "config.json").is_file():
        return None
    return _in_directory(spec.name, directory.name, directory)


def _downloaded(spec: ModelSpec) -> ModelFiles:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        for weights in (["model*.safetensors"], ["pytorch_model*.bin"]):
            directory = Path(
                snapshot_download(
                    spec.name,
                    revision=spec.revision,
                    allow_patterns=_SMALL_FILES + weights,
                    ignore_patterns=["*/*"],
                )
            )
            if _find_weights(directory):
                break
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise ModelUnavailable(_unavailable(spec, error)) from error
    return _in_directory(spec.name, directory.name, directory)


def _unavailable(spec: ModelSpec, error: Exception) -> str:
    revision = f" at revision {spec.revision}" if spec.revision else ""
    cause = str(error).strip().splitlines() or [type(error).__name__]
    return (
        f"the model {spec.name}{revision} is neither in the local cache nor could the hub give it "
        f"({cause[0][:200]}). Without a network, copy a model's folder here (config.json, "
        "preprocessor_config.json, the tokenizer's files and model.safetensors) and name that "
        "folder instead: --model /path/to/folder"
    )
