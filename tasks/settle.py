"""Write what needs no forward pass."""

from __future__ import annotations

from crossmodal.ledger.write.settle import has_work, settle_run
from crossmodal.records import Lineup, Plan
from crossmodal.runs.run import Run
from tasks.stage import stage


@stage("settle")
def settle(run: Run, plan: Plan, lineup: Lineup) -> None:
    """Write what needs no forward pass: renames, copies, deletions, refusals of discovery."""
    with run.collection.read() as con:
        if not has_work(con, plan):
            return
    with run.recorder.span("settle") as span, run.collection.write() as con:
        span.num_items = settle_run(con, run.id, plan, run.lineup or lineup)
