"""A student sees like its teacher with less, loads as any model, and one seed is one student."""

from __future__ import annotations

import csv
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from PIL import Image

from crossmodal.encoders.cache import load_version
from crossmodal.encoders.image_text import TransformersEncoder
from crossmodal.errors import (
    ConsentNeeded,
    ModelMismatch,
    PairsError,
    ParametersError,
    PathError,
    TrainingFailed,
)
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.models import files as model_files
from crossmodal.models.lineage import lineage_of
from crossmodal.models.options import ModelSpec
from crossmodal.models.training_items import training_hashes
from crossmodal.records import ModelVersion
from crossmodal.training.distil import make
from crossmodal.training.distil.learn import StudentLearner, loss_of, neighbours
from crossmodal.training.distil.make import distil, register_student, write_student
from crossmodal.training.distil.report import told
from crossmodal.training.distil.shape import Shape, shape_of, student_of
from crossmodal.training.distil.shown import show
from crossmodal.training.distil.spec import DistilSpec, Shown, Student
from crossmodal.training.distil.student import student_from
from crossmodal.training.epochs import Epoch, Schedule
from tests.drawn import draw_pictures
from tests.evaluation.conftest import Album
from tests.tiny_model import (
    build_tiny_chinese_clip,
    build_tiny_dual_encoder,
    build_tiny_sentence,
    build_tiny_siglip,
)

SCHEDULE = Schedule(epochs=4, batch_size=8, learning_rate=2e-3, patience=4)


@pytest.fixture
def own(album: Album, tmp_path: Path) -> Collection:
    return Collection(shutil.copy(album.collection, tmp_path / "own.duckdb"))


@pytest.fixture
def spec(tiny_clip: Path) -> DistilSpec:
    return DistilSpec(
        teacher=str(tiny_clip), size="half", device="cpu", name="ours", schedule=SCHEDULE
    )


def easy(own: Collection, spec: DistilSpec) -> Shown:
    """Return what there is to learn; a few pictures teach what they show, so these decide."""
    shown = show(own, spec)
    return replace(shown, dev=shown.train)


def nothing(epoch: Epoch) -> None:
    pass


def registered(own: Collection, spec: DistilSpec) -> tuple[Shown, Student, ModelVersion]:
    shown = easy(own, spec)
    student = distil(own, shown, spec, nothing)
    written = write_student(own, shown, student, spec)
    with own.write() as con:
        return shown, student, register_student(con, written, shown, student, spec, "run")


def test_student_is_smaller_sees_alike_and_is_a_model_like_any_other(
    own: Collection, spec: DistilSpec, tiny_clip: Path
) -> None:
    shown, student, version = registered(own, spec)
    assert student.shape.layers == 1
    assert student.stored.file_bytes < student.teacher.file_bytes / 2
    assert student.stored.neighbours.at_10 > student.first.at_10
    assert student.stored.cosine == pytest.approx(student.learned.cosine, abs=0.02)
    folder = Path(version.name)
    assert [path.name for path in model_files.resolve(ModelSpec(str(folder))).weights] == [
        "model.int8.safetensors"
    ]
    encoder = load_version(version, "cpu")
    assert isinstance(encoder, TransformersEncoder)
    teacher = load_version(shown.teacher, "cpu")
    texts = ["a red square", "two blue circles"]
    near = (encoder.encode_queries(texts) * teacher.encode_queries(texts)).sum(axis=1)
    assert (near > 0.99).all(), "its text tower is the teacher's, but for the rounding"
    with own.read() as con:
        lineage = lineage_of(con, version.id or 0)
        assert lineage is not None
        assert lineage.parent_id == shown.teacher.id
        assert lineage.how["depth"] == "distil"
        assert training_hashes(con, [version.id or 0], "picture") == set(shown.hashes)
    card = ModelCard.load(folder / "README.md")
    assert card.data.base_model == str(tiny_clip)
    assert {r.metric_type for r in card.data.eval_results or []} >= {"first ten of the teacher"}
    assert "as stored" in told(shown, student, version)["text"]


def test_stored_vectors_of_the_teacher_are_taken_without_a_pass(
    own: Collection, spec: DistilSpec, album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*args: object) -> None:
        raise AssertionError("the teacher was asked")

    monkeypatch.setattr(TransformersEncoder, "encode_images", forbidden)
    shown = show(own, spec)
    assert shown.counts["computed"] == 0
    assert shown.counts["pictures"] == len(album.pictures)


def test_pictures_of_a_folder_need_no_collection_and_are_computed_once(
    tmp_path: Path, spec: DistilSpec
) -> None:
    folder = tmp_path / "pictures"
    draw_pictures(folder, 34)
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "notes.txt").write_text("nothing to see")
    collection = Collection(tmp_path / "new.duckdb")
    asked = replace(spec, images=str(folder))
    seen: list[tuple[int, int]] = []
    shown = show(collection, asked, lambda done, total: seen.append((done, total)))
    assert shown.counts["pictures"] == shown.counts["computed"] == 34
    assert shown.problems == {"that cannot be read": 1}
    assert seen[-1][0] == seen[-1][1]
    make.forget_state(collection, shown, asked)
    again: list[tuple[int, int]] = []
    smaller = replace(asked, size="tiny")
    same = show(collection, smaller, lambda done, total: again.append((done, total)))
    assert again == [(1, 1)], "only what could not be read is tried again, also for a next student"
    assert same.data_digest == shown.data_digest


def test_captions_compare_teacher_and_student_on_pictures_not_trained_on(
    own: Collection, spec: DistilSpec, album: Album, tmp_path: Path
) -> None:
    table = tmp_path / "captions.csv"
    with table.open("w", newline="") as file:
        rows = [(str(picture), f"drawing {n}") for n, picture in enumerate(album.pictures)]
        csv.writer(file).writerows([("path", "caption"), *rows])
    shown = show(own, replace(spec, captions=str(table)))
    assert shown.captions is not None
    trained = {shown.pictures[place].uri for place in shown.train}
    assert len(shown.captions.pictures) == len(shown.dev)
    assert not {picture.uri for picture in shown.captions.pictures} & trained
    student = distil(own, replace(shown, dev=shown.train), spec, nothing)
    assert student.teacher.captions is not None
    assert student.stored.captions is not None


def test_one_seed_gives_one_student_also_where_it_was_killed_between_two_epochs(
    own: Collection, spec: DistilSpec
) -> None:
    shown = easy(own, spec)
    whole = distil(own, shown, spec, nothing)
    make.checkpoint_of(own, shown, spec).clear()

    class Killed(Exception):
        pass

    def kill(epoch: Epoch) -> None:
        raise Killed

    with pytest.raises(Killed):
        distil(own, shown, spec, kill)
    epochs: list[Epoch] = []
    rest = distil(own, shown, spec, epochs.append)
    assert rest.weights_hash == whole.weights_hash
    assert [epoch.loss for epoch in rest.epochs] == [epoch.loss for epoch in whole.epochs]
    other = replace(spec, schedule=replace(SCHEDULE, seed=1))
    assert distil(own, shown, other, nothing).weights_hash != whole.weights_hash


@pytest.mark.parametrize(
    "build", [build_tiny_siglip, build_tiny_dual_encoder, build_tiny_chinese_clip]
)
@pytest.mark.parametrize("size", ["light", "small"])
def test_every_family_has_students(
    build: Callable[[Path], Path], size: str, tmp_path: Path
) -> None:
    files = model_files.resolve(ModelSpec(str(build(tmp_path / "teacher"))))
    version = model_files.describe(files, "float32", "")
    teacher = TransformersEncoder.load(files, version, "cpu")
    shape = student_of(shape_of(teacher.model.config, "teacher"), size, {})
    student = student_from(teacher, files, shape, tmp_path / "student", seed=0)
    assert student.preprocess.height == student.preprocess.width == shape.side
    pixels = np.zeros((2, shape.side, shape.side, 3), np.uint8)
    assert student.trained_images(pixels).shape == (2, version.dim)
    ours, theirs = student.model.state_dict(), teacher.model.state_dict()
    texts = [name for name in ours if name.startswith("text")]
    assert texts
    assert all(torch.equal(ours[name], theirs[name]) for name in texts)


def test_student_with_all_that_its_teacher_has_would_give_the_same_vectors(
    tmp_path: Path,
) -> None:
    files = model_files.resolve(ModelSpec(str(build_tiny_dual_encoder(tmp_path / "teacher"))))
    teacher = TransformersEncoder.load(files, model_files.describe(files, "float32", ""), "cpu")
    shape = shape_of(teacher.model.config, "teacher")
    student = student_from(teacher, files, shape, tmp_path / "student", seed=0)
    pixels = np.random.default_rng(0).integers(0, 255, (2, 32, 32, 3)).astype(np.uint8)
    assert torch.allclose(student.trained_images(pixels), teacher.trained_images(pixels), atol=1e-5)


def test_asked_for_parts_come_before_those_of_the_size() -> None:
    teacher = Shape(layers=12, width=768, patch=16, side=224)
    assert student_of(teacher, "half", {}) == Shape(layers=6, width=768, patch=16, side=160)
    assert student_of(teacher, "tiny", {}) == Shape(layers=4, width=384, patch=32, side=224)
    asked = {"layers": 3, "side": 192, "patch": 0, "width": 0}
    assert student_of(teacher, "small", asked) == Shape(layers=3, width=768, patch=32, side=192)
    with pytest.raises(ParametersError, match="more layers"):
        student_of(teacher, "half", {"layers": 13})
    with pytest.raises(ParametersError, match="cannot be cut"):
        student_of(teacher, "half", {"side": 170})
    with pytest.raises(ParametersError, match="as much as its teacher"):
        student_of(teacher, "light", {"side": 224})


def test_loss_is_none_where_vectors_are_those_wanted_and_neighbours_are_all_there() -> None:
    vectors = np.eye(8, dtype=np.float32) + 0.1
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    wanted = torch.from_numpy(vectors)
    assert float(loss_of(wanted, wanted)) == pytest.approx(0, abs=1e-6)
    assert float(loss_of(wanted.flip(0), wanted)) > 0.1
    random = np.random.default_rng(0).standard_normal((40, 8)).astype(np.float32)
    assert neighbours(random, random).total == 2
    assert neighbours(random[::-1], random).at_10 < 1


def test_loss_that_is_no_number_keeps_the_last_good_epoch_or_says_what_to_do(
    own: Collection, spec: DistilSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, epoch, losses = easy(own, spec), StudentLearner.epoch, []

    def breaks(learner: StudentLearner) -> float:
        losses.append(epoch(learner) if not losses else float("nan"))
        return losses[-1]

    monkeypatch.setattr(StudentLearner, "epoch", breaks)
    assert distil(own, shown, spec, nothing).best_epoch == 1
    make.checkpoint_of(own, shown, spec).clear()
    with pytest.raises(TrainingFailed, match="the loss of epoch 1 is nan: take a smaller"):
        distil(own, shown, spec, nothing)


def test_bad_input_is_refused_in_a_sentence(
    own: Collection, spec: DistilSpec, tmp_path: Path, album: Album
) -> None:
    few = tmp_path / "few"
    draw_pictures(few, 3)
    with pytest.raises(PairsError, match="has 3 pictures that can be learned from"):
        show(own, replace(spec, images=str(few)))
    with pytest.raises(PathError, match="there is no folder"):
        show(own, replace(spec, images=str(tmp_path / "nowhere")))
    with pytest.raises(PairsError, match=r"no collection at .* and no folder"):
        show(Collection(tmp_path / "none.duckdb"), spec)
    alike = tmp_path / "alike"
    alike.mkdir()
    for number in range(40):
        Image.new("RGB", (40, 40), (9, 9, 9)).save(alike / f"{number}.png")
    with pytest.raises(PairsError, match="look alike"):
        show(own, replace(spec, images=str(alike)))
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("mine")
    with pytest.raises(PathError, match="holds something else, which stays"):
        distil(own, easy(own, spec), replace(spec, out=str(taken)), nothing)


def test_teacher_that_sees_nothing_cannot_be_distilled(
    own: Collection, spec: DistilSpec, tmp_path: Path
) -> None:
    blind = build_tiny_sentence(tmp_path / "sentence")
    with pytest.raises(ModelMismatch, match="is no image-text model"):
        show(own, replace(spec, teacher=str(blind)))


def test_what_takes_long_waits_for_consent_and_is_told_beforehand(
    own: Collection, spec: DistilSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, heard = easy(own, spec), []
    monkeypatch.setattr(make, "_LONG_S", 0.0)
    with pytest.raises(ConsentNeeded, match=r"times less to compute.*say --consent"):
        distil(own, shown, spec, nothing)
    distil(own, shown, replace(spec, consent=True), nothing, heard.append)
    assert "1 layers of 32" in heard[0]


def test_a_student_may_teach_and_be_trained_in_turn(own: Collection, spec: DistilSpec) -> None:
    _, _, version = registered(own, spec)
    with own.read() as con:
        assert model_versions.find(con, version.label)
    files = model_files.files_of(version)
    encoder = TransformersEncoder.load(files, version, "cpu")
    assert shape_of(encoder.model.config, "ours").layers == 1


def test_pictures_a_second_do_not_fall_where_others_take_the_core(
    spec: DistilSpec, own: Collection, tiny_clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = load_version(show(own, spec).teacher, "cpu")
    assert isinstance(teacher, TransformersEncoder)
    side = teacher.preprocess
    pixels = np.zeros((8, side.height, side.width, 3), np.uint8)
    passes = teacher.trained_images

    def waiting(some: np.ndarray) -> torch.Tensor:
        time.sleep(1.0)
        return passes(some)

    monkeypatch.setattr(teacher, "trained_images", waiting)
    began_s = time.perf_counter()
    rate = make._rate(teacher, pixels)
    assert rate > 2 * len(pixels) / (time.perf_counter() - began_s)
