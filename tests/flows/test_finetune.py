"""The flow that learns: refused before a model is loaded, or a space beside the live version."""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import tasks.finetune
from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.errors import PairsError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.write import model_versions
from crossmodal.records import VectorList
from crossmodal.training import finetune as training
from crossmodal.training.prepare import prepare
from crossmodal.training.spec import FinetuneSpec, Prepared
from flows.finetune import finetune
from flows.params.finetune import FinetuneParams
from tests.api import Api
from tests.evaluation.conftest import Album, album, other_clip

__all__ = ["album", "other_clip"]

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture
def own(tmp_path: Path, album: Album) -> Path:
    return Path(shutil.copy(album.collection, tmp_path / "own album.duckdb"))


def written(path: Path, rows: list[tuple[str, str]]) -> str:
    with path.open("w", newline="") as table:
        csv.writer(table).writerows([("path", "caption"), *rows])
    return str(path)


def test_lora_goes_through_thousands_of_photos_three_times_unless_told_otherwise() -> None:
    assert FinetuneParams(pairs="pairs.csv", depth="lora").spec().num_epochs == 3
    assert FinetuneParams(pairs="pairs.csv", depth="lora", epochs=7).spec().num_epochs == 7
    assert FinetuneParams(pairs="pairs.csv", depth="text").spec().num_epochs == 10


def test_what_was_learned_is_filled_reported_and_shown(
    prefect_server: str, own: Path, album: Album, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Random weights learn nothing that holds for pictures held out: any step is let pass here.
    monkeypatch.setattr(training, "chosen", lambda steps, *rest: steps[-1])
    rows = [(str(path), f"drawing number {n}") for n, path in enumerate(album.pictures)]
    curves = tmp_path / "curves.png"
    state = finetune(
        collection=str(own),
        pairs=written(tmp_path / "pairs.csv", rows),
        name="ours",
        epochs=3,
        device="cpu",
        curves=str(curves),
        return_state=True,
    )
    assert state.is_completed(), state.message
    report = state.result()
    assert report["name"] == "ours"
    assert "held out:  recall@1" in report["text"]
    assert curves.read_bytes().startswith(b"\x89PNG")
    with Collection(own).read() as con:
        (version,) = model_versions.find(con, "ours")
        assert num_vectors(con, VectorList(version, "image")) == len(album.pictures)
        assert con.execute("SELECT state FROM run WHERE flow = 'finetune'").fetchall() == [
            ("completed",)
        ]
    flow_run = str(state.state_details.flow_run_id)
    shown = Api(prefect_server).post(
        "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [flow_run]}}}
    )
    assert "finetune-learned-own-album" in [artifact["key"] for artifact in shown]


def test_trained_text_tower_is_a_model_that_a_backfill_can_name(
    prefect_server: str, own: Path, album: Album, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "chosen", lambda steps, *rest: steps[-1])
    rows = [(str(path), f"drawing number {n}") for n, path in enumerate(album.pictures)]
    state = finetune(
        collection=str(own),
        pairs=written(tmp_path / "pairs.csv", rows),
        depth="text",
        out=str(tmp_path / "ours"),
        epochs=2,
        learning_rate=0.003,
        device="cpu",
        return_state=True,
    )
    assert state.is_completed(), state.message
    report = state.result()
    assert f"crossmodal backfill PATH... --model {tmp_path / 'ours'}" in report["text"]
    assert (tmp_path / "ours" / "README.md").exists()
    assert not Path(f"{own}.training").exists() or not list(Path(f"{own}.training").iterdir())
    with Collection(own).read() as con:
        (version,) = model_versions.find(con, report["label"])
        assert num_vectors(con, VectorList(version, "image")) == len(album.pictures)


def test_bad_pairs_are_refused_in_a_sentence_and_nothing_is_registered(
    own: Path, tmp_path: Path
) -> None:
    with Collection(own).read() as con:
        before = model_versions.all_versions(con)
    pairs = written(tmp_path / "pairs.csv", [("/no/such.jpg", "nobody")])
    with pytest.raises(PairsError, match="whose picture is missing"):
        finetune(collection=str(own), pairs=pairs, device="cpu")
    with Collection(own).read() as con:
        assert model_versions.all_versions(con) == before


def test_reranker_is_written_and_reported_and_is_no_model_version(
    own: Path, album: Album, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Random towers tell little, so what is learned from decides here.
    def easy(collection: Collection, spec: FinetuneSpec) -> Prepared:
        prepared = prepare(collection, spec)
        return replace(prepared, dev=prepared.train)

    monkeypatch.setattr(tasks.finetune, "prepare", easy)
    with Collection(own).read() as con:
        before = model_versions.all_versions(con)
    rows = [(str(path), f"drawing number {n}") for n, path in enumerate(album.pictures)]
    state = finetune(
        collection=str(own),
        pairs=written(tmp_path / "pairs.csv", rows),
        depth="rerank",
        out=str(tmp_path / "order"),
        epochs=20,
        learning_rate=0.01,
        device="cpu",
        return_state=True,
    )
    assert state.is_completed(), state.message
    assert f"crossmodal reranker set {tmp_path / 'order'}" in state.result()["text"]
    assert load_reranker(str(tmp_path / "order"), "cpu").pairs == {("text", "image")}
    with Collection(own).read() as con:
        assert model_versions.all_versions(con) == before
