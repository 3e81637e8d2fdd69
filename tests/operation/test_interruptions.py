"""Stop a run in the middle, in every way an operator or a machine can: the next one does the rest."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.automations import crash_silent_runs
from tests.operation.conftest import NUM_PICTURES, SHARD_SIZE
from tests.operation.ledger import Ledger
from tests.operation.site import FlowRun, Site, eventually

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
    assert run.ended() == "CANCELLED"
    num_before = ledger.num_vectors
    assert 0 < num_before < NUM_PICTURES
    assert num_before % SHARD_SIZE == 0
    assert ledger.states == ["interrupted"]
    assert "TerminationSignal" in ledger.runs[0].message
    assert ledger.leftovers == []
    finish_the_rest(index, ledger, num_before)


def test_stopping_the_worker_stops_its_run_and_loses_nothing(
    site: Site, index: Callable[..., FlowRun], ledger: Ledger
) -> None:
    run = index()
    ledger.wait_for_vectors()
    pid = ledger.runs[0].pid
    site.worker.terminate()
    site.worker.wait(timeout=60)
    eventually(lambda: not psutil.pid_exists(pid), 60, f"end of process {pid}")
    assert run.ended() == "CRASHED"
    num_before = ledger.num_vectors
    assert num_before < NUM_PICTURES
    assert num_before % SHARD_SIZE == 0
    site.start_worker()
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


def test_killed_flow_and_worker_are_noticed_by_the_missing_heartbeat(
    site: Site, index: Callable[..., FlowRun], ledger: Ledger
) -> None:
    with temporary_settings({PREFECT_API_URL: site.url}):
        automation = crash_silent_runs(silence=timedelta(seconds=70)).create()
    run = index()
    ledger.wait_for_vectors()
    os.kill(site.worker.pid, signal.SIGKILL)
    os.kill(ledger.runs[0].pid, signal.SIGKILL)
    site.worker.wait()
    killed = time.monotonic()
    num_before = ledger.num_vectors
    site.start_worker()
    blocked = index()
    assert run.ended(timeout_s=240) == "CRASHED"
    assert time.monotonic() - killed < 150
    assert blocked.ended() == "COMPLETED", "the dead run still held its deployment's slot"
    assert ledger.num_vectors == NUM_PICTURES
    assert ledger.embedded == [0, NUM_PICTURES - num_before]
    assert ledger.states == ["interrupted", "completed"]
    with temporary_settings({PREFECT_API_URL: site.url}):
        automation.delete()


def test_run_outlives_a_server_that_is_away_for_a_minute(
    site: Site, index: Callable[..., FlowRun], ledger: Ledger, tmp_path: Path
) -> None:
    run = index()
    ledger.wait_for_vectors()
    site.stop_server()
    time.sleep(60)
    site.start_server()
    assert run.ended(timeout_s=240) == "COMPLETED", run.message
    ledger.check()
    assert ledger.num_vectors == NUM_PICTURES
    assert ledger.states == ["completed"]
