"""A trained text tower is an ordinary model: it loads, is registered, and one seed is one model."""

from __future__ import annotations

import csv
import json
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from huggingface_hub import ModelCard
from safetensors import safe_open

from crossmodal.encoders.cache import load_version
from crossmodal.encoders.forward import num_passes
from crossmodal.encoders.torch_threads import one_thread
from crossmodal.errors import ConsentNeeded, ModelMismatch, PairsError, PathError, TrainingFailed
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.write import model_versions
from crossmodal.models.lineage import lineage_of
from crossmodal.models.training_items import training_hashes
from crossmodal.records import ModelVersion, VectorList
from crossmodal.spaces.add import add_space
from crossmodal.spaces.fit import SpaceSpec
from crossmodal.training import tune_towers as tune
from crossmodal.training.both_towers import BothTowers
from crossmodal.training.checkpoint import Checkpoint
from crossmodal.training.cost import cost_of
from crossmodal.training.epochs import Epoch, Learned, Weights
from crossmodal.training.learn_towers import learn_towers
from crossmodal.training.prepare import prepare
from crossmodal.training.spec import FinetuneSpec, Prepared, TowerSpec, Tuned
from crossmodal.training.towers import TextTower
from crossmodal.training.tune_towers import (
    checkpoint_of,
    register_model,
    tune_towers,
    write_tuned,
)
from tests.evaluation.conftest import Album, embed, load
from tests.tiny_model import build_tiny_dual_encoder, build_tiny_siglip

TOWER = TowerSpec(epochs=4, batch_size=16, learning_rate=3e-3, patience=4)


@pytest.fixture
def own(album: Album, tmp_path: Path) -> Collection:
    return Collection(shutil.copy(album.collection, tmp_path / "own.duckdb"))


@pytest.fixture
def pairs(album: Album, tmp_path: Path) -> str:
    path = tmp_path / "pairs.csv"
    with path.open("w", newline="") as table:
        rows = [(str(picture), f"number {n}") for n, picture in enumerate(album.pictures)]
        csv.writer(table).writerows([("path", "caption"), *rows])
    return str(path)


def spec_of(pairs: str) -> FinetuneSpec:
    return FinetuneSpec(
        pairs=pairs, depth="text", device="cpu", name="ours", dev_share=0.3, tower=TOWER
    )


def easy(own: Collection, spec: FinetuneSpec) -> Prepared:
    """Return what there is to learn; random weights get better at what they see, so that is dev."""
    prepared = prepare(own, spec)
    return replace(prepared, dev=prepared.train)


def nothing(epoch: Epoch) -> None:
    pass


def tuned_by(own: Collection, spec: FinetuneSpec) -> tuple[Prepared, Tuned]:
    prepared = easy(own, spec)
    return prepared, tune_towers(own, prepared, spec, nothing)


def registered(own: Collection, spec: FinetuneSpec) -> tuple[Tuned, ModelVersion]:
    prepared, tuned = tuned_by(own, spec)
    written = write_tuned(own, prepared, tuned, spec)
    with own.write() as con:
        return tuned, register_model(con, written, prepared, tuned, spec, "run")


def test_trained_model_is_a_folder_beside_the_collection_that_loads(
    own: Collection, pairs: str, album: Album
) -> None:
    tuned, version = registered(own, spec_of(pairs))
    assert version.name == f"{own.path}.models/ours"
    encoder = load_version(version, "cpu")
    assert tuned.proof_vectors is not None
    np.testing.assert_allclose(
        encoder.encode_queries(tuned.proof_texts), tuned.proof_vectors, atol=1e-4
    )
    assert tuned.best.dev.total > tuned.base.dev.total


def test_pictures_keep_the_vectors_of_the_locked_tower(own: Collection, pairs: str) -> None:
    _, version = registered(own, spec_of(pairs))
    with own.read() as con:
        live = model_versions.live(con)
        assert live is not None
        parent = live.joint
        assert num_vectors(con, VectorList(version, "image")) == num_vectors(
            con, VectorList(parent, "image")
        )
        differing = con.execute(
            f"SELECT count(*) FROM vector_{parent.id}_image p JOIN vector_{version.id}_image o "
            "USING (chunk_id) WHERE p.v <> o.v"
        ).fetchall()
    assert differing == [(0,)]
    # And the folder's own image tower gives them.
    pixels = np.random.default_rng(3).integers(0, 255, (2, 32, 32, 3), np.uint8)
    of_parent = load_version(parent, "cpu").encode_images(pixels).vectors
    np.testing.assert_array_equal(
        load_version(version, "cpu").encode_images(pixels).vectors, of_parent
    )


def test_lineage_and_card_say_what_it_was_made_of(own: Collection, pairs: str) -> None:
    tuned, version = registered(own, spec_of(pairs))
    with own.read() as con:
        made = lineage_of(con, version.id or 0)
        assert training_hashes(con, [version.id or 0], "text")
    assert made is not None
    assert (made.how["kind"], made.how["depth"]) == ("training", "text")
    assert not made.needs_parent
    data = ModelCard.load(Path(version.name) / "README.md").data
    assert data.base_model_relation == "finetune"
    assert data.data_digest == made.how["data_digest"]
    found = {(r.dataset_type, r.metric_type): r.metric_value for r in data.eval_results or []}
    assert found["pairs-held-out", "recall@1"] == round(tuned.best.dev.at_1, 4)


def test_same_seed_gives_the_same_weights_and_another_others(own: Collection, pairs: str) -> None:
    spec = spec_of(pairs)
    other = replace(spec, tower=replace(TOWER, seed=1))
    prepared = easy(own, spec)
    hashes = []
    for given in (spec, spec, other):
        hashes.append(tune_towers(own, prepared, given, nothing).weights_hash)
        checkpoint_of(own, prepared, given).clear()
    assert hashes[0] == hashes[1] != hashes[2]


def learned_from(
    own: Collection, spec: FinetuneSpec, folder: Path, tick: Callable[[Epoch], None]
) -> Learned[Weights]:
    prepared = easy(own, spec)
    tower = TextTower(prepared.parent, "cpu")
    return learn_towers(tower, prepared.train, prepared.dev, spec.tower, Checkpoint(folder), tick)


def test_broken_off_training_goes_on_and_ends_with_the_same_weights(
    own: Collection, pairs: str, tmp_path: Path
) -> None:
    spec = spec_of(pairs)
    whole = learned_from(own, spec, tmp_path / "whole", nothing)
    seen: list[Epoch] = []

    def break_off(epoch: Epoch) -> None:
        seen.append(epoch)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        learned_from(own, spec, tmp_path / "parts", break_off)
    rest = learned_from(own, spec, tmp_path / "parts", nothing)
    assert [e.loss for e in rest.epochs] == [e.loss for e in whole.epochs]
    assert whole.weights
    assert rest.weights
    for name, weights in whole.weights.items():
        np.testing.assert_array_equal(weights.numpy(), rest.weights[name].numpy())


def test_torn_state_is_begun_anew(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path / "kept")
    kept.save({"step": 3})
    assert kept.load() == {"step": 3}
    (tmp_path / "kept" / "epoch.pt").write_bytes(b"PK torn")
    assert kept.load() is None


def test_loss_that_is_no_number_ends_in_a_sentence_and_registers_nothing(
    own: Collection, pairs: str
) -> None:
    spec = replace(spec_of(pairs), tower=replace(TOWER, learning_rate=1e30))
    prepared = prepare(own, spec)
    with pytest.raises(TrainingFailed, match=r"no|take a smaller --learning-rate"):
        tune_towers(own, prepared, spec, nothing)


def test_folder_that_holds_something_else_is_refused_before_learning(
    own: Collection, pairs: str, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    spec = replace(spec_of(pairs), out=str(tmp_path / "full"))
    with pytest.raises(PathError, match="holds something else, which stays"):
        tuned_by(own, spec)


def test_model_of_the_same_name_is_never_written_over(own: Collection, pairs: str) -> None:
    _, version = registered(own, spec_of(pairs))
    before = (Path(version.name) / "model.safetensors").read_bytes()
    other = replace(spec_of(pairs), tower=replace(TOWER, seed=1))
    with pytest.raises(PathError, match="name another place with --out"):
        registered(own, other)
    assert (Path(version.name) / "model.safetensors").read_bytes() == before


def test_space_has_no_towers_to_train(own: Collection, pairs: str) -> None:
    added = add_space(str(own.path), SpaceSpec(kind="centring", dim=0, name="centred"))
    with pytest.raises(ModelMismatch, match=r"is a space and has no towers .* --model "):
        prepare(own, replace(spec_of(pairs), model=added.name))


@pytest.mark.parametrize("build", [build_tiny_siglip, build_tiny_dual_encoder])
def test_other_kinds_of_model_are_trained_by_their_own_loss(
    album: Album, tmp_path: Path, pairs: str, build: Callable[[Path], Path]
) -> None:
    directory = build(tmp_path / "base")
    collection = Collection(tmp_path / "other.duckdb")
    embed(collection, album.pictures, load(directory))
    tuned, version = registered(collection, spec_of(pairs))
    kind = json.loads((Path(version.name) / "config.json").read_text())["model_type"]
    assert ("logit_bias" in tuned.weights) == (kind == "siglip")
    load_version(version, "cpu")


@pytest.mark.parametrize("depth", ["lora", "full"])
def test_both_towers_end_in_a_model_with_the_base_s_own_names(
    own: Collection, pairs: str, depth: str
) -> None:
    if depth == "lora":
        pytest.importorskip("peft")
    tower = replace(TOWER, epochs=2, learning_rate=1e-2 if depth == "lora" else 3e-3)
    spec = replace(spec_of(pairs), depth=depth, consent=True, tower=tower)
    tuned, version = registered(own, spec)
    with own.read() as con:
        live = model_versions.live(con)
        assert live is not None
        # Its pictures look otherwise to it: a backfill has to see them again.
        assert num_vectors(con, VectorList(version, "image")) == 0
    assert names_of(Path(version.name)) == names_of(Path(live.joint.name))
    pixels = np.random.default_rng(3).integers(0, 255, (2, 32, 32, 3), np.uint8)
    of_base = load_version(live.joint, "cpu").encode_images(pixels).vectors
    assert np.abs(load_version(version, "cpu").encode_images(pixels).vectors - of_base).max() > 1e-4
    assert tuned.best.dev.total > tuned.base.dev.total


class Watched(BothTowers):
    """Note in how many threads torch computes while pictures are learned from."""

    seen: ClassVar[set[int]] = set()

    def images(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        self.seen.add(torch.get_num_threads())
        return super().images(*args, **kwargs)


def test_every_core_learns_and_leaves_torch_as_it_was(
    own: Collection, pairs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(tune._TOWERS, "full", lambda: Watched)
    spec = replace(spec_of(pairs), depth="full", consent=True)
    with one_thread():
        tuned_by(own, spec)
        assert torch.get_num_threads() == 1
    assert Watched.seen == {num_passes("cpu")}


def names_of(folder: Path) -> set[str]:
    with safe_open(folder / "model.safetensors", "np") as weights:
        return set(weights.keys())


def test_full_says_what_it_takes_and_waits_for_consent(own: Collection, pairs: str) -> None:
    spec = replace(spec_of(pairs), depth="full")
    with pytest.raises(ConsentNeeded, match=r"would take .* for 4 epochs .* say --consent"):
        tuned_by(own, spec)


class Delayed(BothTowers):
    """Wait for its turn as on a machine that is busy with something else."""

    def images(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        time.sleep(2)
        return super().images(*args, **kwargs)


def test_what_full_takes_is_told_in_processor_time_on_a_busy_machine(
    own: Collection, pairs: str
) -> None:
    prepared = easy(own, replace(spec_of(pairs), depth="full"))
    said = cost_of(Delayed(prepared.parent, "cpu"), prepared, TOWER)
    picture = re.search(r"([0-9.]+) s a picture", said)
    # The four pictures of the step wait two seconds together.
    assert picture is not None
    assert float(picture[1]) < 0.4


def test_picture_that_is_gone_since_is_named(own: Collection, pairs: str, tmp_path: Path) -> None:
    spec = replace(spec_of(pairs), depth="full", consent=True)
    prepared = easy(own, spec)
    gone = replace(prepared.train.pictures[0], uri=str(tmp_path / "gone.png"))
    train = replace(prepared.train, pictures=(gone, *prepared.train.pictures[1:]))
    with pytest.raises(PairsError, match=r"gone.png can be learned from no more"):
        tune_towers(own, replace(prepared, train=train, dev=train), spec, nothing)


def test_frozen_words_stay_bit_for_bit_while_the_tower_learns(own: Collection, pairs: str) -> None:
    spec = replace(spec_of(pairs), tower=replace(TOWER, freeze_words=True))
    tuned, version = registered(own, spec)
    with own.read() as con:
        live = model_versions.live(con)
    assert live is not None
    words = "text_model.embeddings.token_embedding.weight"
    assert words not in tuned.weights
    with (
        safe_open(Path(version.name) / "model.safetensors", "np") as ours,
        safe_open(Path(live.joint.name) / "model.safetensors", "np") as base,
    ):
        np.testing.assert_array_equal(ours.get_tensor(words), base.get_tensor(words))
    assert tuned.best.dev.total > tuned.base.dev.total


def test_anchored_texts_stay_nearer_to_where_the_base_has_them(own: Collection, pairs: str) -> None:
    spec = spec_of(pairs)
    prepared = easy(own, spec)
    # All but the first eight pictures are such as --keep names.
    prepared = replace(prepared, counts=prepared.counts | {"train": 8})
    kept = [
        w for w, p in zip(prepared.train.words, prepared.train.picture_of, strict=True) if p >= 8
    ]
    base = load_version(prepared.parent, "cpu").encode_queries(kept)
    drifts = []
    for anchor in (0.0, 100.0):
        given = replace(spec, tower=replace(TOWER, anchor=anchor))
        tuned = tune_towers(own, prepared, given, nothing)
        tower = TextTower(prepared.parent, "cpu")
        tower.put(tuned.weights)
        drifts.append(float(np.mean(1 - (tower.encode_texts(kept) * base).sum(axis=1))))
    assert drifts[1] < drifts[0] / 2


def test_anchor_without_anything_to_keep_is_refused(own: Collection, pairs: str) -> None:
    spec = replace(spec_of(pairs), tower=replace(TOWER, anchor=40.0))
    with pytest.raises(PairsError, match=r"there is no --keep: name pairs"):
        prepare(own, spec)
