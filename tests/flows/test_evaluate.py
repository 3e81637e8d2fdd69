"""The flow of an evaluation on a real Prefect server, and a promotion that a set has to allow."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from crossmodal.errors import GateMissed
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from flows.evaluate import evaluate
from flows.promote import promote
from tests.api import Api
from tests.evaluation.conftest import Album, album, captions, other_clip
from tests.flows.test_shown import last_word

__all__ = ["album", "captions", "other_clip"]

pytest.importorskip("ir_measures", reason="crossmodal[evaluate] is not installed")
pytestmark = pytest.mark.usefixtures("prefect")

GATE = "text->image recall@10 >= -0.01"
ONE_PAIR = ["text->image"]


@pytest.fixture
def own(tmp_path: Path, album: Album) -> Path:
    return Path(shutil.copy(album.collection, tmp_path / "own album.duckdb"))


def test_an_equal_version_keeps_its_gate_and_is_shown(
    prefect_server: str, own: Path, captions: Callable[..., Path]
) -> None:
    state = evaluate(
        collection=str(own),
        set_path=str(captions()),
        model="1",
        gates=[GATE],
        pairs=ONE_PAIR,
        device="cpu",
        return_state=True,
    )
    assert state.is_completed(), state.message
    flow_run = str(state.state_details.flow_run_id)
    shown = Api(prefect_server).post(
        "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [flow_run]}}}
    )
    assert [artifact["key"] for artifact in shown] == ["evaluation-captions-own-album"]
    assert "recall@10" in shown[0]["data"]
    told = last_word(prefect_server, own, "crossmodal.evaluation.completed")["payload"]
    assert told["verdicts"][0]["passed"]


def test_a_version_that_is_not_shown_to_be_as_good_is_not_promoted(
    own: Path, captions: Callable[..., Path]
) -> None:
    path = str(captions())
    state = evaluate(
        collection=str(own),
        set_path=path,
        model="2",
        gates=["text->image recall@10 >= 0.5"],
        pairs=ONE_PAIR,
        device="cpu",
        return_state=True,
    )
    assert state.is_failed()
    missed = state.result(raise_on_failure=False)
    assert isinstance(missed, GateMissed)
    assert missed.report is not None
    assert not missed.report["verdicts"][0]["passed"]
    refused = promote(collection=str(own), model="2", gate=path, return_state=True)
    assert isinstance(refused.result(raise_on_failure=False), GateMissed)
    with Collection(own).read() as con:
        live = model_versions.live(con)
        assert live is not None
        assert live.id == 1
