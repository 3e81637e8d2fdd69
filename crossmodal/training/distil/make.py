"""Distil a teacher into a student, write it as a model folder, and register it.

Owns the order: say what it takes; learn, with the state kept after each epoch; round the weights
and look at what that costs; write the folder and load it; then one transaction registers it. Killed
before that, the next run goes on after the last epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.encoders.int8_weights import from_int8, to_int8
from crossmodal.encoders.torch_threads import (
    all_threads,
    one_thread,
    shared_s,
    work_clock,
    working_on,
)
from crossmodal.errors import ConsentNeeded, TrainingFailed
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.models import files as model_files
from crossmodal.models.folder import INT8_WEIGHTS
from crossmodal.models.lineage import register_parent
from crossmodal.models.training_items import record_training_items
from crossmodal.records import ModelVersion
from crossmodal.training.checkpoint import Checkpoint
from crossmodal.training.directory import (
    Made,
    Written,
    copy_small,
    model_card,
    model_folder,
    proven,
    refuse_folder,
    save_weights,
    write_folder,
)
from crossmodal.training.distil.learn import StudentLearner, neighbours
from crossmodal.training.distil.report import card_figures, card_words
from crossmodal.training.distil.shape import Shape, shape_of, student_of
from crossmodal.training.distil.spec import Captions, DistilSpec, Figures, Shown, Student
from crossmodal.training.distil.student import student_from
from crossmodal.training.epochs import Epoch, Learned, Weights, digest_of, learn_or_resume
from crossmodal.training.precision import mixed
from crossmodal.training.recall import Recall, ranks_of, recall_of
from crossmodal.vectors.affine import Floats
from crossmodal.views.human import human_seconds

if TYPE_CHECKING:
    import torch

    Tensors = dict[str, torch.Tensor]

_NUM_PROOFS = 4
_NUM_TIMED = 8
_LONG_S = 3600.0
_BACK_AND_FORTH = 3.0
"""A step's passes, in those of one forward."""


def checkpoint_of(collection: Collection, shown: Shown, spec: DistilSpec) -> Checkpoint:
    """Return where a distillation keeps its state: named by all that decides its weights."""
    shape = [spec.size, spec.layers, spec.patch, spec.input_px, spec.width]
    data = [shown.teacher.fingerprint, shown.data_digest, spec.dev_share, shape]
    return Checkpoint.of(collection.path, ["distil", *data, spec.schedule])


def distil(
    collection: Collection,
    shown: Shown,
    spec: DistilSpec,
    tick: Callable[[Epoch], None],
    tell: Callable[[str], None] = lambda words: None,
) -> Student:
    """Return the student of the epoch with the most of the teacher's neighbours.

    ``tell`` hears beforehand what it is to be and what that takes.

    Raises:
        TrainingFailed: the loss is no number, memory ran out, or nothing was learned.
        ConsentNeeded: it would take more than an hour, and nobody said yes to that.
        ParametersError, ModelUnsupported: the teacher cannot have such a student.
        PathError: the folder that was named is taken, or there is no room to keep the state.
    """
    refuse_folder(collection.path, spec.out, spec.name, shown.data_digest)
    files = model_files.files_of(shown.teacher)
    exact = model_files.describe(files, "float32", shown.teacher.weights_hash)
    teacher = TransformersEncoder.load(files, exact, spec.device)
    before = shape_of(teacher.model.config, shown.teacher.label)
    shape = student_of(before, spec.size, _asked(spec))
    kept = checkpoint_of(collection, shown, spec)
    with all_threads():
        student = student_from(teacher, files, shape, kept.folder / "student", spec.schedule.seed)
        learner = StudentLearner(student, shown, spec.schedule)
        tell(_cost(learner, shown, spec, shape, before))
        first = learner.measure()
        learned = learn_or_resume(learner, spec.schedule, kept, tick)
        learner.put(_best(learned, first))
        as_learned = _figures(learner, shown, _bytes(student.model.state_dict()))
        stored = _stored(student.model.state_dict(), spec)
        student.model.load_state_dict(from_int8(stored), strict=False)
        texts = shown.captions.words[:_NUM_PROOFS] if shown.captions else ("a red car", "a dog")
        pictures = [shown.pictures[place] for place in shown.dev[:_NUM_PROOFS]]
        return Student(
            shape=shape,
            weights=stored,
            weights_hash=digest_of(stored),
            learned=as_learned,
            stored=_figures(learner, shown, _bytes(stored)),
            teacher=_of_teacher(teacher, shown, files.weights),
            epochs=learned.epochs,
            best_epoch=learned.best_epoch,
            first=first,
            proof_pictures=learner.pixels(pictures),
            proof_texts=texts,
            proof_vectors=_proof(student, learner.pixels(pictures), texts),
        )


def write_student(
    collection: Collection, shown: Shown, student: Student, spec: DistilSpec
) -> Written:
    """Write the folder of a student, and load it.

    Raises:
        PathError: it cannot be written, or holds something else.
        TrainingFailed: it does not load, or gives other vectors than what was learned.
    """
    short = shown.teacher.name.rstrip("/").rsplit("/", 1)[-1]
    name = spec.name or f"{short}-{spec.size}-{student.weights_hash[:6]}"
    folder = model_folder(collection.path, spec.out, name)
    made = Made(folder.name, shown.teacher, "distillation", shown.data_digest, student.weights_hash)
    card = model_card(made, card_figures(student), card_words(shown, student, spec))
    small = checkpoint_of(collection, shown, spec).folder / "student"

    def fill(partial: Path) -> None:
        copy_small(small, partial)
        as_int8 = {"name": INT8_WEIGHTS} if spec.export == "int8" else {}
        save_weights(student.weights, partial, **as_int8)

    write_folder(folder, card, student.weights_hash, fill)
    found = proven(
        folder,
        shown.teacher.dtype,
        lambda encoder: _proof(encoder, student.proof_pictures, student.proof_texts),
    )
    return Written(folder, found.gives(student.proof_vectors))


def register_student(
    con: duckdb.DuckDBPyConnection,
    written: Written,
    shown: Shown,
    student: Student,
    spec: DistilSpec,
    run_id: str,
) -> ModelVersion:
    """Register a written student, and its teacher, with lineage, in the caller's transaction."""
    teacher = model_versions.register(con, shown.teacher)
    version = model_versions.register(con, written.version)
    training = {
        "kind": "training",
        "depth": "distil",
        "run": run_id,
        "data_digest": shown.data_digest,
        "seed": spec.schedule.seed,
        "weights_hash": student.weights_hash,
        "shape": asdict(student.shape),
        "metrics": {"teacher": asdict(student.teacher), "student": asdict(student.stored)},
    }
    register_parent(con, version.id or 0, teacher.id or 0, training)
    con.execute("DELETE FROM training_item WHERE model_version_id = ?", [version.id])
    record_training_items(con, version.id or 0, "picture", shown.hashes)
    return version


def forget_state(collection: Collection, shown: Shown, spec: DistilSpec) -> None:
    """Clear away what a killed run would have gone on from.

    The teacher's vectors stay: the next student, of another size, learns from the same.
    """
    checkpoint_of(collection, shown, spec).clear()


def _asked(spec: DistilSpec) -> dict[str, int]:
    return {
        "layers": spec.layers,
        "patch": spec.patch,
        "side": spec.input_px,
        "width": spec.width,
    }


def _cost(
    learner: StudentLearner, shown: Shown, spec: DistilSpec, shape: Shape, before: Shape
) -> str:
    """Return what the student is to be and how long that takes, from one pass of a few pictures.

    Raises:
        ConsentNeeded: it takes long.
    """
    rate = _rate(learner.student, learner.pixels([shown.pictures[p] for p in shown.dev[:4]]))
    seen = _BACK_AND_FORTH * len(shown.train) + len(shown.dev)
    total_s = shared_s(seen * spec.schedule.epochs / rate, learner.student.device)
    told = (
        f"a student of {shape}, of a teacher of {before}: {before.work / shape.work:.1f} times "
        f"less to compute; at most {human_seconds(total_s)} for {spec.schedule.epochs} epochs of "
        f"{len(shown.train):,} pictures on {working_on(learner.student.device)}"
    )
    if total_s > _LONG_S and not spec.consent:
        raise ConsentNeeded(
            f"{told}: say --consent to begin, or take a smaller --size, fewer --epochs or fewer "
            "pictures"
        )
    return told


def _best(learned: Learned[Weights], first: Recall) -> Weights:
    """Return the best weights; refuse where there are none."""
    if learned.weights:
        return learned.weights
    last = learned.epochs[-1].dev if learned.epochs else first
    raise TrainingFailed(
        f"nothing was learned: of the teacher's first ten neighbours the student had "
        f"{first.at_10:.3f} to begin with and {last.at_10:.3f} at the end, so nothing was "
        "registered: give more pictures, more --epochs or another --learning-rate"
    )


def _figures(learner: StudentLearner, shown: Shown, file_bytes: int) -> Figures:
    pictures = [shown.pictures[place] for place in shown.dev]
    found, wanted = learner.encoded(pictures), shown.vectors[shown.dev]
    asked = shown.captions
    return Figures(
        cosine=float((found * wanted).sum(axis=1).mean()),
        neighbours=neighbours(found, wanted),
        captions=_asked_by(learner.student, learner.encoded(asked.pictures), asked)
        if asked
        else None,
        images_per_s=_rate(learner.student, learner.pixels(pictures[:_NUM_TIMED])),
        file_bytes=file_bytes,
    )


def _of_teacher(teacher: TransformersEncoder, shown: Shown, weights: tuple[Path, ...]) -> Figures:
    side = teacher.preprocess
    pixels = np.zeros((_NUM_TIMED, side.height, side.width, 3), np.uint8)
    asked = shown.captions
    return Figures(
        cosine=1.0,
        neighbours=Recall(1.0, 1.0),
        captions=_asked_by(teacher, asked.vectors, asked) if asked else None,
        images_per_s=_rate(teacher, pixels),
        file_bytes=sum(path.stat().st_size for path in weights),
    )


def _asked_by(encoder: TransformersEncoder, images: Floats, asked: Captions) -> Recall:
    texts = encoder.encode_queries(list(asked.words))
    keys: list[set[int]] = [set() for _ in asked.pictures]
    for picture, key in zip(asked.picture_of, asked.text_keys, strict=True):
        keys[picture].add(int(key))
    return recall_of(ranks_of(texts, images, asked.text_keys, keys))


def _rate(encoder: TransformersEncoder, pixels: np.ndarray) -> float:
    """Return pictures a second of one core, or of a GPU, when all is loaded."""
    import torch

    clock = work_clock(encoder.device)
    with one_thread(), torch.no_grad(), mixed(encoder.device):
        encoder.trained_images(pixels[:1])
        started_s = clock()
        encoder.trained_images(pixels).cpu()
    return len(pixels) / (clock() - started_s)


def _stored(weights: Tensors, spec: DistilSpec) -> Tensors:
    if spec.export == "int8":
        return to_int8(weights)
    return {name: values.detach().cpu().half().contiguous() for name, values in weights.items()}


def _bytes(weights: Tensors) -> int:
    return sum(values.numel() * values.element_size() for values in weights.values())


def _proof(encoder: TransformersEncoder, pixels: np.ndarray, texts: tuple[str, ...]) -> Floats:
    """Return what an encoder gives for a few pictures and texts."""
    import torch

    with torch.no_grad():
        images = encoder.trained_images(pixels).cpu().numpy()
    return np.concatenate([images, encoder.encode_queries(list(texts))])
