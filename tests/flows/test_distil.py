"""The flow that makes a student: a model beside the live one, or a sentence and nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

import tasks.distil
from crossmodal.errors import PairsError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.training.distil.shown import show
from flows.distil import distil
from tests.evaluation.conftest import Album, album, other_clip

__all__ = ["album", "other_clip"]

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture
def own(tmp_path: Path, album: Album) -> Path:
    return Path(shutil.copy(album.collection, tmp_path / "own album.duckdb"))


def test_student_is_registered_reported_and_drawn_and_its_state_goes(
    own: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A few drawings teach what they show: these decide here.
    def easy(*given):  # type: ignore[no-untyped-def]
        shown = show(*given)
        return replace(shown, dev=shown.train)

    monkeypatch.setattr(tasks.distil, "show", easy)
    curves = tmp_path / "curves.png"
    state = distil(
        collection=str(own),
        teacher=str(tiny_clip),
        out=str(tmp_path / "ours"),
        epochs=3,
        batch_size=8,
        learning_rate=0.002,
        device="cpu",
        curves=str(curves),
        return_state=True,
    )
    assert state.is_completed(), state.message
    report = state.result()
    assert f"crossmodal backfill PATH... --model {tmp_path / 'ours'}" in report["text"]
    assert report["student"]["file_bytes"] < report["teacher"]["file_bytes"]
    assert curves.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "ours" / "model.int8.safetensors").exists()
    assert not list(Path(f"{own}.training").iterdir())
    with Collection(own).read() as con:
        assert model_versions.find(con, report["label"])
        assert con.execute("SELECT state FROM run WHERE flow = 'distil'").fetchall() == [
            ("completed",)
        ]


def test_too_few_pictures_are_refused_and_nothing_is_registered(
    own: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    with Collection(own).read() as con:
        before = model_versions.all_versions(con)
    with pytest.raises(PairsError, match="0 pictures that can be learned from"):
        distil(
            collection=str(own),
            teacher=str(tiny_clip),
            images=str(tmp_path / "empty"),
            device="cpu",
        )
    with Collection(own).read() as con:
        assert model_versions.all_versions(con) == before
