"""Open the storage room to flows: settle what needs no model, verify the ledger."""

from __future__ import annotations

import pyarrow.parquet as pq

from tasks.records import ModelVersion, Plan
from tasks.run import Run
from tasks.storage import verify as checks
from tasks.storage import writer
from tasks.task import stage


@stage("settle")
def settle(run: Run, plan: Plan) -> None:
    """Write renames, copies, deletions and what was only touched; quarantine what discovery refused."""
    planned = pq.read_table(plan.path)
    if planned.num_rows == 0 and not plan.summary.rejected:
        return
    with run.recorder.span("settle") as span, run.collection.write() as con:
        span.num_items = planned.num_rows
        writer.apply_plan(con, planned, run.id)
        writer.quarantine(con, run.id, plan.summary.rejected, None)


@stage("verify")
def verify(run: Run, model: ModelVersion) -> checks.Verification:
    """Check that every source has a vector or a quarantine row, and every vector its chunk."""
    with run.recorder.span("verify") as span, run.collection.read() as con:
        found = checks.verify(con, run.id, model.id)
        span.num_items = found.num_sources
    return found
