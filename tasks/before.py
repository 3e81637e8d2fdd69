"""Tell what passed before a run opened: the wait for a worker, and the start of its process."""

from __future__ import annotations

import os

from prefect.context import FlowRunContext

from crossmodal.runs.asked import process_began_s, take_asked_s
from crossmodal.runs.run import Run


def note_before(run: Run) -> None:
    """Count into a run's time what a person waited for before it opened."""
    asked_s, process_s = take_asked_s(), _own_process_s()
    due_s = _due_s() if process_s is not None else None
    if due_s is not None and process_s is not None and due_s < process_s:
        run.passed_before("queue", due_s, process_s)
    began_s = process_s if process_s is not None else asked_s
    if began_s is not None and began_s < run.started_s:
        run.passed_before("start-up", began_s, run.started_s)


def _own_process_s() -> float | None:
    """Return when this process started, if Prefect started it for this flow run alone."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    if flow_run is None or os.environ.get("PREFECT__FLOW_RUN_ID") != str(flow_run.id):
        return None
    return process_began_s()


def _due_s() -> float | None:
    """Return when the run should have started; of one that is tried again nobody knows."""
    context = FlowRunContext.get()
    flow_run = context.flow_run if context else None
    if flow_run is None or flow_run.expected_start_time is None or flow_run.run_count > 1:
        return None
    return flow_run.expected_start_time.timestamp()
