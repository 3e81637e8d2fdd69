"""A promotion that waits on its page of the Prefect UI until somebody decides."""

from __future__ import annotations

import contextvars
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from prefect.states import State

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.models import promotion_log
from flows.promote import promote
from tests.api import Api
from tests.evaluation.conftest import Album, album, other_clip
from tests.waiting import PATIENCE_S, eventually

__all__ = ["album", "other_clip"]

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture
def own(tmp_path: Path, album: Album) -> Path:
    return Path(shutil.copy(album.collection, tmp_path / f"{tmp_path.name}.duckdb"))


@pytest.fixture
def asked(prefect_server: str, own: Path) -> Callable[..., tuple[dict[str, Any], Future[State]]]:
    """Return a function that begins a promotion and waits until it waits for its decision."""

    def begin() -> tuple[dict[str, Any], Future[State]]:
        started = ThreadPoolExecutor(1).submit(
            contextvars.copy_context().run,
            lambda: promote(collection=str(own), model="2", ask=True, return_state=True),
        )
        return eventually(paused, PATIENCE_S, "a run that waits"), started

    def paused() -> dict[str, Any] | None:
        wanted = {
            "flow_runs": {"state": {"type": {"any_": ["PAUSED"]}}},
            "flows": {"name": {"any_": ["promote"]}},
        }
        found = Api(prefect_server).post("/flow_runs/filter", wanted)
        ours = [run for run in found if run["parameters"]["collection"] == str(own)]
        inputs = [run for run in ours if run["state"]["state_details"]["run_input_keyset"]]
        return inputs[0] if inputs and asked_for(inputs[0]) else None

    def asked_for(run: dict[str, Any]) -> dict[str, Any] | None:
        key = run["state"]["state_details"]["run_input_keyset"]["description"]
        answer = Api(prefect_server).ask("GET", f"/flow_runs/{run['id']}/input/{key}")
        run["figures"] = answer.text
        return answer.is_success

    return begin


def live(collection: Path) -> int | None:
    with Collection(collection).read() as con:
        found = model_versions.live(con)
    return found.id if found else None


def test_person_sees_the_figures_and_what_is_agreed_to_goes_live(
    prefect_server: str, own: Path, asked: Callable[..., tuple[dict[str, Any], Future[State]]]
) -> None:
    run, started = asked()
    assert "tiny-clip" in run["figures"]
    assert "other-clip" in run["figures"]
    assert live(own) == 1
    decision = {"promote": True, "why": "Ann has looked at it"}
    Api(prefect_server).post(f"/flow_runs/{run['id']}/resume", {"run_input": decision})
    assert started.result(PATIENCE_S).is_completed()
    assert live(own) == 2
    with Collection(own).read() as con:
        assert promotion_log.log_lines(con)[0].why == "Ann has looked at it"


def test_promotion_that_is_declined_changes_nothing_and_is_no_failure(
    prefect_server: str, own: Path, asked: Callable[..., tuple[dict[str, Any], Future[State]]]
) -> None:
    run, started = asked()
    decision = {"promote": False, "why": "not yet"}
    Api(prefect_server).post(f"/flow_runs/{run['id']}/resume", {"run_input": decision})
    state = started.result(PATIENCE_S)
    assert state.is_completed()
    assert state.result() == {"promoted": False, "why": "not yet"}
    assert live(own) == 1
