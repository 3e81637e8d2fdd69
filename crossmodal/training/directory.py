"""Write what was learned as an ordinary model folder, with a model card, and prove that it loads.

Owns the folder: the base's own small files, its weights with those that were trained in their
place, and README.md by huggingface_hub. It appears whole, by a rename. What was not trained stays
bit for bit as the base computes with it, so that stored vectors of it stay true.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import ModelError, PathError, TrainingFailed
from crossmodal.models import files as model_files
from crossmodal.models.catalogue import licence_of
from crossmodal.models.options import ModelSpec
from crossmodal.records import ModelVersion
from crossmodal.training.spec import FinetuneSpec, Prepared, Tuned

if TYPE_CHECKING:
    import torch

_WEIGHTS = "model.safetensors"
_CARD = "README.md"
_SMALL = (".json", ".txt", ".model")
_NOT_SMALL = (".safetensors.index.json", ".bin.index.json")
_NEAR = 1e-3


@dataclass(frozen=True, slots=True)
class Written:
    """Name a folder that was written and what it is."""

    folder: Path
    version: ModelVersion


def model_folder(collection: Path, spec: FinetuneSpec, name: str) -> Path:
    """Return where a model called ``name`` is written: where it was asked for, else beside."""
    if spec.out:
        return Path(spec.out).expanduser().absolute()
    return Path(f"{collection}.models").absolute() / name


def refuse_folder(collection: Path, prepared: Prepared, spec: FinetuneSpec) -> None:
    """Refuse, before anything is learned, a folder that holds something else.

    Raises:
        PathError: it does, or it is a file.
    """
    if spec.out or spec.name:
        folder = model_folder(collection, spec, spec.name)
        if not _is_free(folder) and not _says(folder, prepared.data_digest):
            raise _taken(folder)


def _taken(folder: Path) -> PathError:
    return PathError(
        f"{folder} holds something else, which stays: name another place with --out, or another "
        "--name"
    )


def _is_free(folder: Path) -> bool:
    """Say whether there is nothing, or an empty folder."""
    return not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))


def write_model(folder: Path, prepared: Prepared, tuned: Tuned, spec: FinetuneSpec) -> Written:
    """Write the folder and load it again.

    Raises:
        PathError: it cannot be written, or holds something else.
        TrainingFailed: it does not load, or gives other vectors than what was learned.
    """
    if not _says(folder, tuned.weights_hash):
        if not _is_free(folder):
            raise _taken(folder)
        try:
            _fill(folder, prepared, tuned, spec)
        except OSError as error:
            raise PathError(
                f"the model cannot be written to {folder}: {error}. Make room, or name another "
                "place with --out; begun again, the training goes on from its last epoch"
            ) from error
    return Written(folder, _proven(folder, prepared, tuned))


def _fill(folder: Path, prepared: Prepared, tuned: Tuned, spec: FinetuneSpec) -> None:
    from safetensors.torch import save_file

    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
    try:
        base = model_files.files_of(prepared.parent)
        _copy_small(base.directory, partial)
        whole = _base_weights(base.weights) | {n: w.cpu() for n, w in tuned.weights.items()}
        packed = {name: _packed(weights) for name, weights in whole.items()}
        save_file(packed, partial / _WEIGHTS, metadata={"format": "pt"})
        (partial / _CARD).write_text(card(prepared, tuned, spec, folder.name), encoding="utf-8")
        partial.chmod(0o755)
        (partial / _WEIGHTS).chmod(0o644)
        os.replace(partial, folder)  # onto nothing, or an empty folder
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _copy_small(source: Path, into: Path) -> None:
    for path in source.iterdir():
        if path.suffix in _SMALL and not path.name.endswith(_NOT_SMALL) and path.is_file():
            shutil.copyfile(path, into / path.name)


def _base_weights(paths: tuple[Path, ...]) -> dict[str, torch.Tensor]:
    import torch
    from safetensors.torch import load_file

    found: dict[str, torch.Tensor] = {}
    for path in paths:
        if path.suffix == ".safetensors":
            found |= load_file(path)
        else:
            found |= torch.load(path, map_location="cpu", weights_only=True)
    return found


def _packed(weights: torch.Tensor) -> torch.Tensor:
    """Return weights contiguous, in 16 bits where that loses nothing."""
    import torch

    if weights.dtype == torch.float32:
        half = weights.half()
        if torch.equal(half.float(), weights):
            weights = half
    return weights.contiguous().clone()


def _says(folder: Path, digest: str) -> bool:
    """Say whether a folder's card names what it was made of by this digest."""
    try:
        return digest in (folder / _CARD).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _proven(folder: Path, prepared: Prepared, tuned: Tuned) -> ModelVersion:
    """Return the version that the folder is, once it gave the vectors that were learned."""
    try:
        files = model_files.resolve(ModelSpec(str(folder)))
        weights = model_files.weights_hash(files)
        version = model_files.describe(files, prepared.parent.dtype, weights)
        exact = model_files.describe(files, "float32", weights)
        encoder = TransformersEncoder.load(files, exact, "cpu")
        found = encoder.encode_queries(tuned.proof_texts)
    except ModelError as error:
        raise TrainingFailed(
            f"the model written to {folder} does not load, so nothing was registered: {error}"
        ) from error
    if tuned.proof_vectors is None or np.abs(found - tuned.proof_vectors).max() > _NEAR:
        raise TrainingFailed(
            f"the model written to {folder} gives other vectors than what was learned, so nothing "
            "was registered: please report this"
        )
    return version


def card(prepared: Prepared, tuned: Tuned, spec: FinetuneSpec, name: str) -> str:
    """Return the model card: front matter as huggingface_hub writes it, then words."""
    from huggingface_hub import ModelCardData

    parent = prepared.parent
    licence = licence_of(parent)
    data = ModelCardData(
        model_name=name,
        base_model=parent.name,
        base_model_relation="finetune",
        library_name="transformers",
        license=_licence_id(licence),
        license_name=licence or "unknown",
        pipeline_tag="zero-shot-image-classification",
        tags=["crossmodal", f"depth-{spec.depth}"],
        eval_results=_results(prepared, tuned),
        data_digest=prepared.data_digest,
        weights_digest=tuned.weights_hash,
    )
    text = "\n".join(_words(prepared, tuned, spec, name, licence))
    return f"---\n{data.to_yaml()}\n---\n\n{text}\n"


def _licence_id(licence: str) -> str:
    known = licence.lower().replace(" ", "-")
    return known if known in ("mit", "apache-2.0", "cc-by-4.0", "cc0-1.0") else "other"


def _results(prepared: Prepared, tuned: Tuned) -> list[Any]:
    from huggingface_hub import EvalResult

    sets = [("pairs held out", tuned.best.dev)]
    if prepared.keep:
        sets.append(("pairs to keep", tuned.best.kept))
    return [
        EvalResult(
            task_type="retrieval",
            task_name="text to image",
            # Results of one type are told apart by nothing else.
            dataset_type=name.replace(" ", "-"),
            dataset_name=name,
            metric_type=metric,
            metric_value=round(value, 4),
        )
        for name, found in sets
        for metric, value in (("recall@1", found.at_1), ("recall@10", found.at_10))
    ]


def _words(
    prepared: Prepared, tuned: Tuned, spec: FinetuneSpec, name: str, licence: str
) -> list[str]:
    counts, base, best = prepared.counts, tuned.base, tuned.best
    kept = f", kept {base.kept.at_1:.3f} to {best.kept.at_1:.3f}" if prepared.keep else ""
    return [
        f"# {name}",
        "",
        f"`{prepared.parent.label}` trained with crossmodal finetune, depth `{spec.depth}`, on "
        f"{counts['train']:,} pictures with captions; {counts['dev']:,} others decided when to "
        f"stop and that {tuned.share:.0%} of the way was taken.",
        "",
        "## Figures",
        "",
        f"Text to picture recall@1 on pairs held out: {base.dev.at_1:.3f} to {best.dev.at_1:.3f}"
        f"{kept}. These decided, so they flatter: measure with `crossmodal evaluate` on a set of "
        "your own.",
        "",
        "## Made again",
        "",
        f"Digest of the pairs {prepared.data_digest}, seed {spec.seed}, epoch {tuned.best_epoch} "
        f"of {len(tuned.epochs)}. Digest of the weights {tuned.weights_hash}.",
        "",
        "## Licences",
        "",
        f"The base is under: {licence or 'unknown, see its own card'}. The pictures and captions "
        "shaped the weights: what their licences forbid, this model may not be used for either. "
        "Photos that are for research only make a model that is for research only.",
    ]
