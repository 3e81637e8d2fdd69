"""A stage tries again what may pass, and gives up at once on what will not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from prefect import flow

from crossmodal.errors import CollectionBusy, PathError, StageTimedOut
from crossmodal.ledger.collection import Collection
from crossmodal.runs.options import RunOptions
from crossmodal.runs.run import Run
from tasks.stage import stage

pytestmark = pytest.mark.usefixtures("prefect")


def test_transient_failure_is_tried_again_until_it_passes() -> None:
    attempts = []

    @stage("flaky")
    def flaky() -> str:
        attempts.append(1)
        if len(attempts) < 2:
            raise CollectionBusy("somebody else is writing")
        return "done"

    assert flow(name="flaky")(lambda: flaky())() == "done"
    assert len(attempts) == 2


@pytest.mark.parametrize("error", [PathError("no such folder"), ValueError("a bug")])
def test_permanent_failure_is_tried_once(error: Exception) -> None:
    attempts = []

    @stage("broken")
    def broken() -> None:
        attempts.append(1)
        raise error

    with pytest.raises(type(error)):
        flow(name="broken")(lambda: broken())()
    assert len(attempts) == 1


def test_stage_that_takes_too_long_ends_and_says_so(tmp_path: Path) -> None:
    options = RunOptions(quiet=True, stage_timeout_s=0.2)
    run = Run(Collection(tmp_path / "c.duckdb"), "index", options)

    @stage("nap")
    def nap(run: Run, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:  # pytest has the alarm, so no sleep is cut short
            time.sleep(0.01)
        return "rested"

    began_s = time.monotonic()
    with pytest.raises(StageTimedOut, match=r"nap took longer than 0\.2 s, .*--stage-timeout-s"):
        nap.fn(run, 20)
    assert time.monotonic() - began_s < 5
    assert nap.fn(run, 0) == "rested"
