"""Read the small files of a model's folder and hash the large ones.

Owns what lies in the folder; refuses to know what it means, and to import torch or transformers.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.models.options import BETTER_MODEL

INT8_WEIGHTS = "model.int8.safetensors"
"""Our own: encoders.int8_weights reads them."""
TOWER = ("image_tower.int8.xml", "image_tower.int8.bin")
"""Our own: encoders.backends.int8_tower runs it in place of the weights' image tower."""
TOWER_PROOF = "image_tower.json"
# As transformers itself prefers them, then what it does not know.
_WEIGHT_PATTERNS = (
    "model.safetensors",
    "model-*.safetensors",
    "pytorch_model.bin",
    "pytorch_model-*.bin",
    INT8_WEIGHTS,
)
MODULE_WEIGHTS = "model.safetensors"
"""In the folder of a module of sentence-transformers, beside its config.json."""
_WEIGHED = ("Dense", "LayerNorm")
PICKLED = "CROSSMODAL_PICKLED_WEIGHTS"
"""Names the models, with commas between, whose weights may be pickles."""
_PICKLED_SUFFIX = ".bin"
_PICKLE = "pytorch_model.bin"
_SMALL_SUFFIXES = (".json", ".txt", ".model")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Point to the files of one model."""

    name: str
    """Hub id or absolute directory."""
    revision: str
    """Hub commit, or ``local``."""
    directory: Path
    weights: tuple[Path, ...]
    tower: tuple[Path, ...] = ()
    """An image tower of integers, which serves in place of the weights'; empty for most models."""
    modules: tuple[Path, ...] = ()
    """Weights of what sentence-transformers chains behind the model, in that order."""

    @property
    def hashed(self) -> tuple[Path, ...]:
        """Return the files whose content decides the vectors, beside the small ones."""
        return self.weights + self.tower + self.modules


def files_in(name: str, revision: str, directory: Path) -> ModelFiles:
    """Return the files of a folder.

    Raises:
        ModelUnavailable: It lacks a configuration or weights.
        ModelUnsupported: Its weights are pickles, and nobody has named it as trusted.
    """
    weights = find_weights(directory)
    if not weights or not (directory / "config.json").is_file():
        raise ModelUnavailable(
            f"{directory} holds no model: a config.json and one of "
            f"{', '.join(_WEIGHT_PATTERNS)} are needed"
        )
    if weights[0].suffix == _PICKLED_SUFFIX and not may_be_pickled(name):
        raise pickles_refused(name)
    tower = tuple(directory / part for part in TOWER)
    has_tower = all(path.is_file() for path in tower)
    modules = tuple(path for path in _module_weights(directory) if path.is_file())
    return ModelFiles(name, revision, directory, weights, tower if has_tower else (), modules)


def may_be_pickled(name: str) -> bool:
    """Say whether a model was named as one whose pickles are trusted.

    OpenAI's CLIP, which has no others on the hub, is named here.
    """
    trusted = [part.strip() for part in os.environ.get(PICKLED, "").split(",")]
    return name == BETTER_MODEL or name in trusted


def pickles_refused(name: str) -> ModelUnsupported:
    """Return the refusal of a model that has no weights but pickles."""
    return ModelUnsupported(
        f"{name} has no model.safetensors; weights that are pickles (pytorch_model.bin) can run "
        "code as they are read and are not taken: write them anew by save_pretrained of "
        f"transformers, or, where you trust who made them, name the model: {PICKLED}={name}"
    )


def find_weights(directory: Path) -> tuple[Path, ...]:
    """Return the weight files in order of name; empty where there are none."""
    for pattern in _WEIGHT_PATTERNS:
        if found := tuple(sorted(directory.glob(pattern))):
            return found
    return ()


def is_complete(directory: Path) -> bool:
    """Say whether a folder holds weights, a configuration and the modules that it names."""
    if not find_weights(directory) or not (directory / "config.json").is_file():
        return False
    folders = [module.get("path") for module in read_list(directory, "modules.json")]
    poolings = [folder for folder in folders if folder and "Pooling" in str(folder)]
    configs = [directory / str(folder) / "config.json" for folder in poolings]
    weights = _module_weights(directory)
    configs += [path.with_name("config.json") for path in weights]
    # Where there are only pickles, the refusal says so; the hub has no others.
    found = [any(path.with_name(n).is_file() for n in (path.name, _PICKLE)) for path in weights]
    return all(path.is_file() for path in configs) and all(found)


def module_kind(module: dict[str, Any]) -> str:
    """Return the name of the class of a module in modules.json, without where it comes from."""
    return str(module.get("type", "")).rsplit(".", 1)[-1]


def is_inside(folder: str) -> bool:
    """Say whether a name from modules.json is that of a folder right inside the model's."""
    return folder not in ("", "..") and Path(folder).name == folder


def _module_weights(directory: Path) -> tuple[Path, ...]:
    """Return where weights of modules have to lie."""
    return tuple(
        directory / folder / MODULE_WEIGHTS
        for module in read_list(directory, "modules.json")
        if module_kind(module) in _WEIGHED and is_inside(folder := str(module.get("path", "")))
    )


def read_object(directory: Path, name: str) -> dict[str, Any]:
    """Return a JSON object of the folder; empty where there is none.

    Raises:
        ModelUnsupported: The file is damaged.
    """
    content = _read_json(directory / name)
    return content if isinstance(content, dict) else {}


def read_list(directory: Path, name: str) -> list[dict[str, Any]]:
    """Return the objects of a JSON list of the folder; empty where there is none."""
    content = _read_json(directory / name)
    return [item for item in content if isinstance(item, dict)] if isinstance(content, list) else []


def small_files_key(directory: Path) -> tuple[tuple[str, int, int], ...]:
    """Return path, size and time of every file that describes the model: equal means unchanged.

    They lie in the folder and in the numbered ones of sentence-transformers (``1_Pooling``).
    """
    return tuple(sorted(_small_files(os.fspath(directory))))


def stat_key_of(paths: Iterable[Path]) -> str:
    """Return a digest of the files' paths, sizes and times: equal means unchanged."""
    facts = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in paths]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def hash_of(paths: tuple[Path, ...]) -> str:
    """Return the SHA-256 over the files' content, in hex; reads them all, once a process."""
    return _hash_files(paths, stat_key_of(paths))


def digest(settings: dict[str, Any]) -> str:
    """Return the SHA-256, in hex, of settings that are plain values."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


@lru_cache(maxsize=32)
def _hash_files(paths: tuple[Path, ...], _stat_key: str) -> str:
    """Hash the files; remembered by this process while their stat is the same."""
    total = hashlib.sha256()
    for path in paths:
        with path.open("rb") as stream:
            while block := stream.read(1 << 20):
                total.update(block)
    return total.hexdigest()


def _small_files(folder: str) -> Iterator[tuple[str, int, int]]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(_SMALL_SUFFIXES):
                found = entry.stat()
                yield entry.path, found.st_size, found.st_mtime_ns
            elif entry.name[0].isdigit() and entry.is_dir():
                yield from _small_files(entry.path)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise ModelUnsupported(f"{path} cannot be read: {error}") from error
