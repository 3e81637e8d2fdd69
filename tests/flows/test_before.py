"""What passed before a run opened counts, where it was waited for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.context import FlowRunContext

from crossmodal.ledger.collection import Collection
from crossmodal.runs.asked import process_began_s
from crossmodal.runs.options import RunOptions
from crossmodal.runs.run import Run
from tasks.before import note_before


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(Collection(tmp_path / "c.duckdb"), "index", RunOptions(quiet=True))


@contextmanager
def within(due_s: float, run_count: int = 1) -> Iterator[FlowRun]:
    """Be within a flow run that was due at some time."""
    due = datetime.fromtimestamp(due_s, UTC)
    told = FlowRun(id=uuid4(), flow_id=uuid4(), expected_start_time=due, run_count=run_count)
    with FlowRunContext.model_construct(flow_run=told):
        yield told


def stages(run: Run) -> dict[str, int]:
    return {span.stage: round(span.wall_s) for span in run.recorder.drain()}


def test_run_of_a_worker_waited_in_the_queue_and_for_its_process(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    began_s = process_began_s()
    with within(began_s - 300) as flow_run:
        monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(flow_run.id))
        note_before(run)
    assert run.began_s == pytest.approx(began_s - 300, abs=0.1)
    assert stages(run) == {"queue": 300, "start-up": round(run.started_s - began_s)}


def test_nobody_knows_how_long_a_run_that_is_tried_again_waited(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with within(time.time() - 9000, run_count=2) as flow_run:
        monkeypatch.setenv("PREFECT__FLOW_RUN_ID", str(flow_run.id))
        note_before(run)
    assert set(stages(run)) == {"start-up"}


def test_run_in_a_process_that_serves_others_too_began_as_it_opened(run: Run) -> None:
    with within(time.time() - 9000):
        note_before(run)
    assert run.began_s == run.started_s
    assert stages(run) == {}
