"""Find a model's files and say which model version they are, without loading it.

Owns where models lie (built in, a directory, the hub's cache, the hub) and what identifies one:
weights, preprocessing, dimension, number format. Refuses to import torch or transformers: a run
that has nothing to embed still has to know its model version, in milliseconds.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path

from crossmodal.errors import ModelUnavailable, ModelUnsupported
from crossmodal.models.audio_preprocess import SoundPreprocess, audio_preprocess
from crossmodal.models.clip_preprocess import ClipPatches, MergedPatches, PooledPatches
from crossmodal.models.folder import (
    ModelFiles,
    digest,
    files_in,
    find_weights,
    hash_of,
    is_complete,
    may_be_pickled,
    pickles_refused,
    read_object,
    small_files_key,
    stat_key_of,
)
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.models.kinds import ModelKind, kind_of
from crossmodal.models.options import BUILT_IN, STARTER, ModelSpec
from crossmodal.models.patch_preprocess import PatchPreprocess
from crossmodal.models.sentence_modules import num_dimensions
from crossmodal.models.text_preprocess import TextPreprocess, text_preprocess
from crossmodal.records import ModelVersion

LOCAL_REVISION = "local"
SMALL_FILES = ("*.json", "*.txt", "*.model")
_WEIGHTS = ("model*.safetensors", "pytorch_model*.bin")
OF_MODULES = "[0-9]*/model.safetensors"
# The modules of sentence-transformers lie in 1_Pooling and the like; other folders hold exports.
OTHER_FOLDERS = ("[!0-9]*/*",)
# A file that was just written may be written again within one tick of the file system's clock.
_SETTLED_NS = 100_000_000
_PREPROCESSING = {
    "vision": ImagePreprocess,
    "patches": PatchPreprocess,
    "gemma": PooledPatches,
    "qwen": MergedPatches,
}
_BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """Hold how the inputs of each modality of a model are prepared; None where it has none."""

    text: TextPreprocess
    image: ImagePreprocess | None = None
    audio: SoundPreprocess | None = None

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of all that decides the vectors but weights and format."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return digest({name: part.fingerprint for name, part in parts.items() if part})


@dataclass(frozen=True, slots=True)
class Description:
    """Hold what the small files of a model's folder say."""

    kind: ModelKind
    preprocessing: Preprocessing
    dim: int
    """Dimensions of a vector, behind all modules."""


def resolve(spec: ModelSpec) -> ModelFiles:
    """Find the files: of the built-in model, a directory, else the hub's cache, else the hub.

    Raises:
        ModelUnavailable: There is no such directory, or the hub could not give it.
    """
    if spec.name in BUILT_IN:
        return _built_in(spec.name)
    directory = Path(spec.name).expanduser()
    if directory.is_dir():
        return files_in(os.path.abspath(directory), LOCAL_REVISION, directory.absolute())
    if directory.is_absolute() or spec.name.startswith((".", "~")) or spec.name.count("/") > 1:
        raise ModelUnavailable(
            f"there is no directory {spec.name}: give the folder that holds the model's "
            "config.json and weights, a hub id such as openai/clip-vit-base-patch32, or "
            f"{STARTER}, the built-in model"
        )
    return _cached(spec) or _downloaded(spec)


def architecture(files: ModelFiles) -> str:
    """Return the class of transformers that a model's config names; empty where it names none.

    Raises:
        ModelUnsupported: the model brings code of its own.
    """
    config = read_object(files.directory, "config.json")
    if "auto_map" in config:
        raise ModelUnsupported(
            f"{files.name} brings code of its own (auto_map in its config.json), and crossmodal "
            "runs no code out of a model's folder: take a model of transformers' own classes"
        )
    named = config.get("architectures")
    return str(named[0]) if isinstance(named, list) and named else ""


def of_architecture(name: str, wanted: str, refusal: str, advice: str) -> ModelFiles:
    """Find a model's files and look that it is of this class of transformers; reads no weights.

    ``refusal`` says after its name what another model does not do here, ``advice`` what to take.

    Raises:
        ModelUnavailable: there is none of this name.
        ModelUnsupported: it is another kind of model, or brings code of its own.
    """
    files = resolve(ModelSpec(name))
    named = architecture(files)
    if named != wanted:
        raise ModelUnsupported(
            f"{name} {refusal}: its architecture is {named or 'not named'}, wanted is {wanted}, "
            f"{advice}"
        )
    return files


def files_of(version: ModelVersion) -> ModelFiles:
    """Find the files of a model version that a collection names.

    A derived space has none of its own: they are those of the model that it begins with.

    Raises:
        ModelUnavailable: They are no longer to be had.
    """
    version = version.root
    if version.revision == LOCAL_REVISION:
        return resolve(ModelSpec(version.name))
    files = _of_commit(version.name, version.revision)
    if not all(path.exists() for path in files.hashed):  # the cache was cleared meanwhile
        _of_commit.cache_clear()
        files = _of_commit(version.name, version.revision)
    return files


@lru_cache(maxsize=32)
def _of_commit(name: str, commit: str) -> ModelFiles:
    """Find the files of a hub's commit, once a process: a commit cannot change."""
    return resolve(ModelSpec(name, commit))


def stat_key(files: ModelFiles) -> str:
    """Return a digest of the weight files' paths, sizes and times: equal means unchanged."""
    return weights_hash(files) if files.name in BUILT_IN else stat_key_of(files.hashed)


def weights_hash(files: ModelFiles) -> str:
    """Return the SHA-256 over the weight files in order of name, in hex; reads them all.

    The built-in model's is that of its shipped files, which are the same wherever they were
    expanded; nothing is read.
    """
    if files.name in BUILT_IN:
        from crossmodal.models import starter

        return starter.digest()
    return hash_of(files.hashed)


def description(files: ModelFiles) -> Description:
    """Return what the model is, read once a process as long as its small files are unchanged.

    Raises:
        ModelUnavailable: A file that says how inputs are prepared is missing.
        ModelUnsupported: It is no model of a known shape, or a step is unknown.
    """
    key = small_files_key(files.directory)
    youngest_ns = max((mtime_ns for _, _, mtime_ns in key), default=0)
    if youngest_ns > time.time_ns() - _SETTLED_NS:
        return _described.__wrapped__(files, key)
    return _described(files, key)


def preprocessing(files: ModelFiles) -> Preprocessing:
    """Return how the model's inputs are prepared; raises as ``description`` does."""
    return description(files).preprocessing


def describe(files: ModelFiles, dtype: str, weights_hash: str) -> ModelVersion:
    """Return the model version that these files are when computed in ``dtype``.

    Raises as ``description`` does.
    """
    found = description(files)
    return ModelVersion(
        name=files.name,
        revision=files.revision,
        weights_hash=weights_hash,
        preprocessing=found.preprocessing.fingerprint,
        dim=found.dim,
        dtype=dtype,
        encoders=dict(found.kind.encoders),
    )


@lru_cache(maxsize=32)
def _described(files: ModelFiles, _key: tuple[tuple[str, int, int], ...]) -> Description:
    kind = kind_of(files)
    settings = Preprocessing(
        image=_image(files, kind) if "image" in kind.encoders else None,
        text=text_preprocess(files, kind),
        audio=audio_preprocess(files, kind) if "audio" in kind.encoders else None,
    )
    text = settings.text
    dim = num_dimensions(files.name, kind.dim, text.num_poolings, text.steps)
    return Description(kind, settings, dim)


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


def _image(files: ModelFiles, kind: ModelKind) -> ImagePreprocess:
    combined = read_object(files.directory, "processor_config.json")
    config = combined.get("image_processor") or read_object(
        files.directory, "preprocessor_config.json"
    )
    if not config:
        raise ModelUnsupported(f"{files.name} has no preprocessor_config.json: not an image model")
    found = _PREPROCESSING[kind.encoders["image"]].from_config(config)
    if not isinstance(found, ClipPatches):
        return found
    clips = combined.get("video_processor") or read_object(
        files.directory, "video_preprocessor_config.json"
    )
    return found.with_clips(config, clips)


def _built_in(name: str) -> ModelFiles:
    """Return the built-in model under its name: where it was expanded to is nobody's business."""
    from crossmodal.models import starter

    image_text = name == STARTER
    folder = starter.image_text_directory() if image_text else starter.sentence_directory()
    return files_in(name, LOCAL_REVISION, folder)


def _cached(spec: ModelSpec) -> ModelFiles | None:
    """Return the model from the hub's cache, or None where it is missing or incomplete."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = snapshot_download(spec.name, revision=spec.revision, local_files_only=True)
    except (LocalEntryNotFoundError, HFValidationError):
        return None
    directory = Path(folder)
    return files_in(spec.name, directory.name, directory) if is_complete(directory) else None


def _downloaded(spec: ModelSpec) -> ModelFiles:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    try:
        for weights in _WEIGHTS[: 1 + may_be_pickled(spec.name)]:
            directory = Path(
                snapshot_download(
                    spec.name,
                    revision=spec.revision,
                    allow_patterns=[*SMALL_FILES, weights, OF_MODULES],
                    ignore_patterns=list(OTHER_FOLDERS),
                )
            )
            if find_weights(directory):
                break
    except (OSError, HfHubHTTPError, HFValidationError) as error:
        raise ModelUnavailable(_unavailable(spec, error)) from error
    if not find_weights(directory) and not may_be_pickled(spec.name):
        raise pickles_refused(spec.name)
    return files_in(spec.name, directory.name, directory)


def _unavailable(spec: ModelSpec, error: Exception) -> str:
    revision = f" at revision {spec.revision}" if spec.revision else ""
    cause = (str(error).strip().splitlines() or [type(error).__name__])[0].split(". ")[0]
    return (
        f"the model {spec.name}{revision} is neither in the local cache nor could the hub give it "
        f"({cause[:200]}). Without a network, copy a model's folder here (config.json, "
        "preprocessor_config.json, the tokenizer's files and model.safetensors) and name that "
        f"folder instead: --model /path/to/folder, or take the built-in model: --model {STARTER}"
    )
