"""The flow of an evaluation on a real Prefect server, and a promotion that a set has to allow."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from crossmodal.errors import GateMissed
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from flows.evaluate import evaluate
from flows.promote import promote
from tests.evaluation.conftest import Album, album, captions, other_clip
from tests.flows.test_shown import artifacts, last_word

__all__ = ["album", "captions", "other_clip"]

pytest.importorskip("ir_measures", reason="crossmodal[evaluate] is not installed")
pytestmark = pytest.mark.usefixtures("prefect")

GATE = "text->image recall@10 >= -0.01"
ONE_PAIR = ["text->image"]
MARK = (10, 100, 216)
"""The colour of what nobody beats."""


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
    shown = artifacts(prefect_server, str(state.state_details.flow_run_id))
    told, progress = "evaluation-captions-own-album", "evaluate-progress-own-album"
    assert shown.keys() == {told, progress}
    assert "recall@10" in shown[told]["data"]
    assert shown[progress]["data"] == 100
    assert "72 of 72" in shown[progress]["description"]
    event = last_word(prefect_server, own, "crossmodal.evaluation.completed")["payload"]
    assert event["verdicts"][0]["passed"]


def test_what_two_versions_find_and_cost_is_a_picture_of_the_run(
    prefect_server: str, own: Path, captions: Callable[..., Path]
) -> None:
    state = evaluate(
        collection=str(own),
        set_path=str(captions()),
        model="2",
        against="1",
        pairs=ONE_PAIR,
        device="cpu",
        return_state=True,
    )
    shown = artifacts(prefect_server, str(state.state_details.flow_run_id))
    told = shown["evaluation-captions-own-album"]["data"]
    assert "versions beside each other" in told
    (drawn,) = re.findall(r"!\[captions: text->image\]\(data:image/png;base64,([^)]+)\)", told)
    with Image.open(io.BytesIO(base64.b64decode(drawn))) as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(100_000) or []}
    assert MARK in colours, "no version stands on the frontier"
    with Collection(own).read() as con:
        labels = [version.label for version in model_versions.all_versions(con)]
    assert [point["label"] for point in state.result()["points"]] == labels


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
