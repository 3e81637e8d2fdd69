"""A reranker learned from pairs: read once, killed and gone on with, written and used as any."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from crossmodal.encoders.rerankers.frozen_towers import FrozenTowers
from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.errors import PathError, TrainingFailed
from crossmodal.ledger.collection import Collection
from crossmodal.models.training_items import training_hashes_in
from crossmodal.training.cross_attention import CrossAttentionSpec, LearnedNetwork, Learner
from crossmodal.training.epochs import Epoch
from crossmodal.training.prepare import prepare
from crossmodal.training.rerank import (
    Read,
    checkpoint_of,
    read_tokens,
    told,
    tune_reranker,
    write_reranker,
)
from crossmodal.training.spec import FinetuneSpec, Prepared
from tests.evaluation.conftest import Album

SMALL = CrossAttentionSpec(width=32, heads=2, epochs=24, patience=24, learning_rate=1e-2)


@pytest.fixture
def own(album: Album, tmp_path: Path) -> Collection:
    return Collection(shutil.copy(album.collection, tmp_path / "own.duckdb"))


@pytest.fixture
def spec(album: Album, tmp_path: Path) -> FinetuneSpec:
    path = tmp_path / "pairs.csv"
    with path.open("w", newline="") as table:
        rows = [(str(picture), f"number {n}") for n, picture in enumerate(album.pictures)]
        csv.writer(table).writerows([("path", "caption"), *rows])
    return FinetuneSpec(
        pairs=str(path), depth="rerank", device="cpu", name="ours", dev_share=0.3, rerank=SMALL
    )


def easy(own: Collection, spec: FinetuneSpec) -> tuple[Prepared, Read]:
    """Return what there is to learn; random towers tell little, so what is seen decides."""
    prepared = prepare(own, spec)
    prepared = replace(prepared, dev=prepared.train)
    return prepared, read_tokens(own, prepared, spec)


def nothing(epoch: Epoch) -> None:
    pass


def weights_of(order: LearnedNetwork) -> list[bytes]:
    return [w.numpy().tobytes() for w in order.network.state_dict().values()]


def test_it_is_written_with_a_card_and_ordered_by_through_its_folder(
    own: Collection, spec: FinetuneSpec
) -> None:
    prepared, read = easy(own, spec)
    order = tune_reranker(own, prepared, read, spec, nothing)
    assert order.learned.best.total > order.first.total
    written = write_reranker(own, prepared, read, order, spec)
    assert load_reranker(str(written.folder), "cpu").label == written.label
    card = ModelCard.load(written.folder / "README.md")
    assert card.data.base_model == prepared.parent.name
    assert card.data.pipeline_tag == "text-ranking"
    assert training_hashes_in(written.folder, "picture") == set(prepared.picture_hashes)
    assert training_hashes_in(written.folder, "text") == set(prepared.text_hashes)
    report = told(prepared, order, written)
    assert f"crossmodal reranker set {written.folder}" in report["text"]
    assert write_reranker(own, prepared, read, order, spec) == written, "it is there already"


def test_pictures_go_through_the_tower_once_whoever_asks_again(
    own: Collection, spec: FinetuneSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, read = easy(own, spec)

    def forbidden(*args: object) -> None:
        raise AssertionError("the tower was asked again")

    monkeypatch.setattr(FrozenTowers, "tokens", forbidden)
    _, again = easy(own, spec)
    assert all((a == b).all() for a, b in zip(read.train.tokens, again.train.tokens, strict=True))


def test_killed_between_two_epochs_it_ends_with_the_same_weights(
    own: Collection, spec: FinetuneSpec
) -> None:
    prepared, read = easy(own, spec)
    whole = tune_reranker(own, prepared, read, spec, nothing)
    checkpoint_of(own, prepared, spec).clear()

    class Killed(Exception):
        pass

    seen: list[Epoch] = []

    def kill(epoch: Epoch) -> None:
        seen.append(epoch)
        if len(seen) == 2:
            raise Killed

    with pytest.raises(Killed):
        tune_reranker(own, prepared, read, spec, kill)
    rest = tune_reranker(own, prepared, read, spec, nothing)
    assert weights_of(rest) == weights_of(whole)
    assert len(rest.learned.epochs) == SMALL.epochs


def test_loss_that_is_no_number_or_an_order_no_better_is_said(
    own: Collection, spec: FinetuneSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared, read = easy(own, spec)
    none = replace(spec, rerank=replace(SMALL, epochs=1, learning_rate=1e-12))
    with pytest.raises(TrainingFailed, match="in no epoch was its order better than the base's"):
        tune_reranker(own, prepared, read, none, nothing)
    monkeypatch.setattr(Learner, "epoch", lambda learner: float("nan"))
    with pytest.raises(TrainingFailed, match="the loss of epoch 1 is nan"):
        tune_reranker(own, prepared, read, spec, nothing)


def test_two_pictures_that_share_a_caption_by_chance_count_as_two_questions(
    own: Collection, spec: FinetuneSpec
) -> None:
    _, read = easy(own, spec)
    train = read.train
    shared = replace(train, captions=[train.captions[0]] * 2 + [*train.captions[2:]])
    assert Learner(read.towers, shared, shared, SMALL).asks == ("text", "image")
    alone, together = (Learner(read.towers, side, side, SMALL).epoch() for side in (train, shared))
    assert together == pytest.approx(alone, rel=0.15), "1.35 times where they count as half"


def test_a_folder_that_holds_something_else_is_refused_before_anything_is_read(
    own: Collection, spec: FinetuneSpec, tmp_path: Path
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "one.txt").write_text("mine")
    with pytest.raises(PathError, match="holds something else, which stays"):
        easy(own, replace(spec, out=str(tmp_path / "thesis")))
