"""Settle a run's plan: write to the ledger what of it needs no forward pass."""

from __future__ import annotations

from crossmodal.ledger.write.settle import has_work, settle_run
from crossmodal.records import Lineup, Plan
from crossmodal.runs.run import Run


def settle_plan(run: Run, plan: Plan, lineup: Lineup) -> None:
    """Write renames, copies, deletions and refusals of discovery; no write lock without any."""
    with run.collection.read() as con:
        if not has_work(con, plan):
            return
    with run.recorder.span("settle") as span, run.collection.write() as con:
        span.num_items = settle_run(con, run.id, plan, run.lineup or lineup)
