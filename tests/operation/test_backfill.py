"""Suspend, cancel and give away a backfill on a real server with a real worker."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import backfills
from tests.drawn import draw_picture
from tests.operation.ledger import Ledger
from tests.operation.site import FlowRun, Site
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.operation

ALBUMS = ("2022", "2023", "2024")
NUM_IN_ALBUM = 40
NUM_PICTURES = len(ALBUMS) * NUM_IN_ALBUM
SHARD_SIZE = 4
"""A divisor of NUM_IN_ALBUM: as no shard crosses two partitions, all are whole then."""
DEPLOYED = "photos"


@pytest.fixture(scope="session")
def albums(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("albums")
    for number in range(NUM_PICTURES):
        file = folder / ALBUMS[number // NUM_IN_ALBUM] / f"{number:03}.png"
        file.parent.mkdir(exist_ok=True)
        draw_picture(number).save(file)
    return folder


@pytest.fixture(scope="session")
def deployments(running: Site) -> dict[str, str]:
    """Return the two deployments of backfills, of which the first may run only once at a time."""
    return {
        "backfill": running.deploy(DEPLOYED, "backfill", entrypoint="flows.backfill.backfill"),
        "partition": running.deploy(
            DEPLOYED,
            "backfill-partition",
            entrypoint="flows.backfill.backfill_partition",
            concurrency_limit=None,
            concurrency_options=None,
        ),
    }


@pytest.fixture
def backfill(
    site: Site, deployments: dict[str, str], ledger: Ledger, albums: Path, tiny_clip: Path
) -> Callable[..., FlowRun]:
    """Return a function that triggers a backfill into the test's collection."""
    params = {
        "collection": str(ledger.path),
        "paths": [str(albums)],
        "model": str(tiny_clip),
        "shard_size": SHARD_SIZE,
    }
    return lambda **changes: site.trigger(deployments["backfill"], **params | changes)


def suspend(run: FlowRun) -> None:
    """Press the UI's pause button."""
    timeout = datetime.now(UTC) + timedelta(minutes=15)
    details = {"pause_timeout": timeout.isoformat(), "pause_reschedule": True}
    state = {"type": "PAUSED", "name": "Suspended", "state_details": details}
    run.site.post(f"/flow_runs/{run.id}/set_state", {"state": state})


def resume(run: FlowRun) -> None:
    run.site.post(f"/flow_runs/{run.id}/resume", {})


def cancelled(run: FlowRun) -> None:
    """Wait until the run counts as cancelled; for a moment it may be taken for crashed."""
    eventually(lambda: run.state == "CANCELLED", PATIENCE_S, f"cancelled state of {run.id}")


def partitions(ledger: Ledger) -> dict[str, str]:
    with Collection(ledger.path).read() as con:
        [found] = backfills.all_backfills(con)
        rows = backfills.partitions(con, found.backfill_id)
    return {Path(row.name).name: row.state for row in rows}


def finish_the_rest(backfill: Callable[..., FlowRun], ledger: Ledger, **changes: Any) -> None:
    """Backfill again: it does what is missing and leaves nothing behind."""
    ledger.check()
    again = backfill(**changes)
    assert again.ended(2 * PATIENCE_S) == "COMPLETED", again.message
    assert ledger.num_vectors == NUM_PICTURES
    assert partitions(ledger) == dict.fromkeys(ALBUMS, "done")
    assert ledger.leftovers == []


def test_suspended_backfill_ends_after_its_shard_and_goes_on_when_resumed(
    backfill: Callable[..., FlowRun], ledger: Ledger
) -> None:
    run = backfill()
    ledger.wait_for_vectors()
    suspend(run)
    eventually(lambda: ledger.states == ["interrupted"], PATIENCE_S, "the end of the process")
    num_before = ledger.num_vectors
    assert 0 < num_before < NUM_PICTURES
    assert num_before % SHARD_SIZE == 0
    assert run.state == "PAUSED"
    assert ledger.leftovers == []
    resume(run)
    assert run.ended() == "COMPLETED", run.message
    assert ledger.embedded[-1] == NUM_PICTURES - num_before
    assert partitions(ledger) == dict.fromkeys(ALBUMS, "done")


def test_cancelled_backfill_keeps_whole_shards_and_the_next_does_the_rest(
    backfill: Callable[..., FlowRun], ledger: Ledger
) -> None:
    run = backfill()
    ledger.wait_for_vectors(NUM_IN_ALBUM + SHARD_SIZE)
    run.cancel()
    cancelled(run)
    assert ledger.num_vectors % SHARD_SIZE == 0
    assert partitions(ledger) == {"2022": "done", "2023": "pending", "2024": "pending"}
    finish_the_rest(backfill, ledger)


def test_partitions_run_as_deployment_runs_no_more_at_once_than_asked_for(
    site: Site, deployments: dict[str, str], backfill: Callable[..., FlowRun], ledger: Ledger
) -> None:
    before = {run["id"] for run in site.runs_of(deployments["partition"])}
    run = backfill(workers="deployments", max_parallel=2)
    assert run.ended(2 * PATIENCE_S) == "COMPLETED", run.message
    parts = [r for r in site.runs_of(deployments["partition"]) if r["id"] not in before]
    assert [part["state_type"] for part in parts] == ["COMPLETED"] * len(ALBUMS)
    starts = sorted(part["start_time"] for part in parts)
    ends = sorted(part["end_time"] for part in parts)
    assert starts[2] > ends[0], "the third began before one of the first two had ended"
    assert all(part["parent_task_run_id"] for part in parts)
    assert ledger.num_vectors == NUM_PICTURES
    assert partitions(ledger) == dict.fromkeys(ALBUMS, "done")

    again = backfill(workers="deployments")
    assert again.ended(2 * PATIENCE_S) == "COMPLETED", again.message
    assert len(site.runs_of(deployments["partition"])) == len(before) + len(ALBUMS)


def test_backfill_that_was_killed_joins_the_partitions_still_under_way(
    site: Site, deployments: dict[str, str], backfill: Callable[..., FlowRun], ledger: Ledger
) -> None:
    before = {run["id"] for run in site.runs_of(deployments["partition"])}
    run = backfill(workers="deployments", max_parallel=1)
    ledger.wait_for_vectors()
    dispatcher = next(r for r in ledger.runs if r.flow_run_id == run.id)
    os.kill(dispatcher.pid, signal.SIGKILL)
    assert run.ended() == "CRASHED"
    finish_the_rest(backfill, ledger, workers="deployments")
    parts = [r for r in site.runs_of(deployments["partition"]) if r["id"] not in before]
    assert [part["state_type"] for part in parts] == ["COMPLETED"] * len(ALBUMS)


def test_cancelling_a_backfill_cancels_the_partitions_that_it_gave_away(
    site: Site, deployments: dict[str, str], backfill: Callable[..., FlowRun], ledger: Ledger
) -> None:
    before = {run["id"] for run in site.runs_of(deployments["partition"])}
    run = backfill(workers="deployments", partition_by="none", shard_size=1)
    ledger.wait_for_vectors()
    run.cancel()
    cancelled(run)
    [part] = [r for r in site.runs_of(deployments["partition"]) if r["id"] not in before]
    cancelled(FlowRun(site, part["id"]))
    assert 0 < ledger.num_vectors < NUM_PICTURES
    ledger.check()
