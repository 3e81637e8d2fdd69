"""Write what was learned as an ordinary model folder, with a model card, and prove that it loads.

Owns the folder: the base's own small files, its weights with those that were trained in their
place, and README.md by huggingface_hub. It appears whole, by a rename. What was not trained stays
bit for bit as the base computes with it, so that stored vectors of it stay true.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.encoders.int8_weights import read_weights
from crossmodal.errors import ModelError, PathError, TrainingFailed
from crossmodal.models import files as model_files
from crossmodal.models.catalogue import licence_of
from crossmodal.models.options import ModelSpec
from crossmodal.records import ModelVersion
from crossmodal.training.spec import FinetuneSpec, Prepared, Tuned
from crossmodal.vectors.affine import Floats

if TYPE_CHECKING:
    import torch

_WEIGHTS = "model.safetensors"
_CARD = "README.md"
_SMALL = (".json", ".txt", ".model")
_NOT_SMALL = (".safetensors.index.json", ".bin.index.json")
_NEAR = 1e-3

Figure = tuple[str, str, str, float]
"""Task, what it was measured on, measure, value."""


@dataclass(frozen=True, slots=True)
class Written:
    """Name a folder that was written and what it is."""

    folder: Path
    version: ModelVersion


def model_folder(collection: Path, out: str, name: str) -> Path:
    """Return where a model called ``name`` is written: where it was asked for, else beside."""
    if out:
        return Path(out).expanduser().absolute()
    return Path(f"{collection}.models").absolute() / name


def refuse_folder(collection: Path, out: str, name: str, data_digest: str) -> None:
    """Refuse, before anything is learned, a folder that holds something else.

    Raises:
        PathError: it does, or it is a file.
    """
    if out or name:
        folder = model_folder(collection, out, name)
        if not _is_free(folder) and not _says(folder, data_digest):
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

    def fill(partial: Path) -> None:
        base = model_files.files_of(prepared.parent)
        copy_small(base.directory, partial)
        whole = read_weights(base.weights) | {n: w.cpu() for n, w in tuned.weights.items()}
        save_weights({name: packed(weights) for name, weights in whole.items()}, partial)

    write_folder(folder, card(prepared, tuned, spec, folder.name), tuned.weights_hash, fill)
    found = proven(
        folder, prepared.parent.dtype, lambda encoder: encoder.encode_queries(tuned.proof_texts)
    )
    return Written(folder, found.gives(tuned.proof_vectors))


def write_folder(folder: Path, card: str, digest: str, fill: Callable[[Path], None]) -> None:
    """Let ``fill`` write a folder beside, add the card, and put it in its place whole.

    A folder whose card names the digest is it already.

    Raises:
        PathError: it cannot be written, or holds something else.
    """
    if _says(folder, digest):
        return
    if not _is_free(folder):
        raise _taken(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder.parent))
        try:
            fill(partial)
            (partial / _CARD).write_text(card, encoding="utf-8")
            partial.chmod(0o755)
            os.replace(partial, folder)  # onto nothing, or an empty folder
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise PathError(
            f"the model cannot be written to {folder}: {error}. Make room, or name another "
            "place with --out; begun again, the training goes on from its last epoch"
        ) from error


def save_weights(weights: dict[str, torch.Tensor], into: Path, name: str = _WEIGHTS) -> None:
    """Write tensors into a folder."""
    from safetensors.torch import save_file

    save_file(weights, into / name, metadata={"format": "pt"})
    (into / name).chmod(0o644)


def copy_small(source: Path, into: Path) -> None:
    """Copy the files that describe a model and its tokenizer, not its weights."""
    for path in source.iterdir():
        if path.suffix in _SMALL and not path.name.endswith(_NOT_SMALL) and path.is_file():
            shutil.copyfile(path, into / path.name)


def packed(weights: torch.Tensor) -> torch.Tensor:
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


@dataclass(frozen=True, slots=True)
class Proof:
    """Hold what a written folder is, and the vectors that it gave."""

    version: ModelVersion
    vectors: Floats

    def gives(self, wanted: Floats | None) -> ModelVersion:
        """Return the version, if its vectors are those that were learned.

        Raises:
            TrainingFailed: they are others.
        """
        if wanted is None or np.abs(self.vectors - wanted).max() > _NEAR:
            raise TrainingFailed(
                f"the model written to {self.version.name} gives other vectors than what was "
                "learned, so nothing was registered: please report this"
            )
        return self.version


def proven(folder: Path, dtype: str, encode: Callable[[TransformersEncoder], Floats]) -> Proof:
    """Load a written folder, and return the version that it is with what ``encode`` gives.

    Raises:
        TrainingFailed: it does not load.
    """
    try:
        files = model_files.resolve(ModelSpec(str(folder)))
        weights = model_files.weights_hash(files)
        version = model_files.describe(files, dtype, weights)
        exact = model_files.describe(files, "float32", weights)
        return Proof(version, encode(TransformersEncoder.load(files, exact, "cpu")))
    except ModelError as error:
        raise TrainingFailed(
            f"the model written to {folder} does not load, so nothing was registered: {error}"
        ) from error


def card(prepared: Prepared, tuned: Tuned, spec: FinetuneSpec, name: str) -> str:
    """Return the model card of a training by pairs."""
    sets = {"pairs held out": tuned.best.dev}
    if prepared.keep:
        sets["pairs to keep"] = tuned.best.kept
    figures = [
        ("text to image", name, metric, value)
        for name, found in sets.items()
        for metric, value in (("recall@1", found.at_1), ("recall@10", found.at_10))
    ]
    made = Made(
        name, prepared.parent, f"depth-{spec.depth}", prepared.data_digest, tuned.weights_hash
    )
    return model_card(made, figures, _words(prepared, tuned, spec, name))


class Made(NamedTuple):
    """Say what a model card is of."""

    name: str
    parent: ModelVersion
    tag: str
    data_digest: str
    weights_digest: str
    pipeline: str = "zero-shot-image-classification"


def model_card(made: Made, figures: list[Figure], words: list[str]) -> str:
    """Return a model card: front matter as huggingface_hub writes it, words, then licences."""
    from huggingface_hub import ModelCardData

    licence = licence_of(made.parent)
    data = ModelCardData(
        model_name=made.name,
        base_model=made.parent.name,
        base_model_relation="finetune",
        library_name="transformers",
        license=_licence_id(licence),
        license_name=licence or "unknown",
        pipeline_tag=made.pipeline,
        tags=["crossmodal", made.tag],
        eval_results=_results(figures),
        data_digest=made.data_digest,
        weights_digest=made.weights_digest,
    )
    text = "\n".join([f"# {made.name}", "", *words, "", *_licences(licence)])
    return f"---\n{data.to_yaml()}\n---\n\n{text}\n"


def _licence_id(licence: str) -> str:
    known = licence.lower().replace(" ", "-")
    return known if known in ("mit", "apache-2.0", "cc-by-4.0", "cc0-1.0") else "other"


def _results(figures: list[Figure]) -> list[Any]:
    from huggingface_hub import EvalResult

    return [
        EvalResult(
            task_type="retrieval",
            task_name=task,
            # Results of one type are told apart by nothing else.
            dataset_type=name.replace(" ", "-"),
            dataset_name=name,
            metric_type=metric,
            metric_value=round(value, 4),
        )
        for task, name, metric, value in figures
    ]


def _words(prepared: Prepared, tuned: Tuned, spec: FinetuneSpec, name: str) -> list[str]:
    counts, base, best = prepared.counts, tuned.base, tuned.best
    kept = f", kept {base.kept.at_1:.3f} to {best.kept.at_1:.3f}" if prepared.keep else ""
    return [
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
    ]


def _licences(licence: str) -> list[str]:
    return [
        "## Licences",
        "",
        f"The base is under: {licence or 'unknown, see its own card'}. What was learned from "
        "shaped the weights: what its licences forbid, this model may not be used for either. "
        "Photos that are for research only make a model that is for research only.",
    ]
