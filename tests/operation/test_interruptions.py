"""Stop a run in the middle, as an operator or a machine can: the next one does the rest."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta

import psutil
import pytest

from tests.operation.conftest import NUM_PICTURES, SHARD_SIZE
from tests.operation.ledger import Ledger
from tests.operation.site import FlowRun, Site
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.operation


def finish_the_rest(index: Callable[..., FlowRun], ledger: Ledger, num_before: int) -> None:
    """Run again: it embeds exactly what is missing and leaves nothing behind."""
    ledger.check()
    again = index()
    assert again.ended() == "COMPLETED", again.message
    assert ledger.num_vectors == NUM_PICTURES
    assert ledger.embedded[-1] == NUM_PICTURES - num_before
    assert ledger.leftovers == []


def test_cancelling_in_the_ui_ends_the_run_and_keeps_whole_shards(
    index: Callable[..., FlowRun], ledger: Ledger
) -> None:
    run = index()
    ledger.wait_for_vectors()
    run.cancel()
    # On the way it may look crashed for some seconds, until the worker has reported.
    eventually(lambda: run.state == "CANCELLED", PATIENCE_S, "state Cancelled")
    num_before = ledger.num_vectors
    assert 0 < num_before < NUM_PICTURES
    assert num_before % SHARD_SIZE == 0
    assert ledger.states == ["interrupted"]
    assert ledger.runs[0].message == "TerminationSignal"
    assert ledger.leftovers == []
    finish_the_rest(index, ledger, num_before)


def test_killed_flow_is_marked_crashed_by_its_worker(
    index: Callable[..., FlowRun], ledger: Ledger
) -> None:
    run = index()
    ledger.wait_for_vectors()
    os.kill(ledger.runs[0].pid, signal.SIGKILL)
    assert run.ended() == "CRASHED"
    num_before = ledger.num_vectors
    assert num_before % SHARD_SIZE == 0
    assert ledger.states == ["running"]
    finish_the_rest(index, ledger, num_before)
    assert ledger.states == ["interrupted", "completed"]


def test_stopping_the_service_crashes_its_run(
    site: Site, index: Callable[..., FlowRun], ledger: Ledger, heartbeat_automation: timedelta
) -> None:
    run = index()
    ledger.wait_for_vectors()
    stop(site, everybody=True, grace_s=120)
    # The run says so itself, unless its worker ends, and kills it, before it has.
    assert run.ended(heartbeat_automation.total_seconds() + PATIENCE_S) == "CRASHED"
    num_before = ledger.num_vectors
    assert num_before % SHARD_SIZE == 0
    assert ledger.states in (["interrupted"], ["running"])
    site.start_worker()
    finish_the_rest(index, ledger, num_before)
    assert ledger.states == ["interrupted", "completed"]


def stop(site: Site, *, everybody: bool, grace_s: float) -> None:
    """Ask the worker to end, or everybody below it too; kill whoever is left after the grace."""
    worker = psutil.Process(site.worker.pid)
    processes = [worker, *worker.children(recursive=True)]
    for process in processes if everybody else [worker]:
        process.terminate()
    _, alive = psutil.wait_procs(processes, grace_s)
    for process in alive:
        process.kill()
    site.worker.wait()


def stop_container(site: Site) -> None:
    """Do as `docker stop` does: only the first process is asked."""
    stop(site, everybody=False, grace_s=3)


def lose_machine(site: Site) -> None:
    """Let nobody say a word."""
    worker = psutil.Process(site.worker.pid)
    for process in [worker, *worker.children(recursive=True)]:
        process.kill()
    site.worker.wait()


@pytest.mark.parametrize("lose", [stop_container, lose_machine])
def test_run_that_is_lost_with_its_worker_is_crashed_by_the_missing_heartbeat(
    site: Site,
    index: Callable[..., FlowRun],
    ledger: Ledger,
    heartbeat_automation: timedelta,
    lose: Callable[[Site], None],
) -> None:
    run = index()
    ledger.wait_for_vectors()
    lose(site)
    num_before = ledger.num_vectors
    assert num_before % SHARD_SIZE == 0
    site.start_worker()
    waiting = index()
    slack_s = PATIENCE_S
    assert run.ended(heartbeat_automation.total_seconds() + slack_s) == "CRASHED"
    assert waiting.ended(2 * PATIENCE_S) == "COMPLETED", (
        "the lost run still holds its deployment's slot"
    )
    assert ledger.num_vectors == NUM_PICTURES
    assert ledger.embedded == [0, NUM_PICTURES - num_before]
    assert ledger.states == ["interrupted", "completed"]
    assert ledger.leftovers == []


def test_run_outlives_a_server_that_is_away_for_a_minute(
    site: Site, index: Callable[..., FlowRun], ledger: Ledger
) -> None:
    run = index(shard_size=1)
    ledger.wait_for_vectors()
    site.stop_server()
    committed = ledger.num_vectors
    time.sleep(60)
    away = ledger.num_vectors
    site.start_server()
    assert away > committed, "the run stood still while the server was away"
    assert run.ended(2 * PATIENCE_S) == "COMPLETED", run.message
    ledger.check()
    assert ledger.num_vectors == NUM_PICTURES
    assert ledger.states == ["completed"]
