"""Open the storage room to flows: settle what needs no model, verify the ledger."""

from __future__ import annotations

from tasks.records import ModelVersion, Plan
from tasks.run import Run
from tasks.storage import runs
from tasks.storage import verify as checks
from tasks.storage.settling import has_work, settle_run
from tasks.task import stage


@stage("settle")
def settle(run: Run, plan: Plan, model: ModelVersion) -> None:
    """Write what needs no forward pass: renames, copies, deletions, refusals of discovery."""
    with run.collection.read() as con:
        if not has_work(con, plan):
            return
    with run.recorder.span("settle") as span, run.collection.write() as con:
        span.num_items = settle_run(con, run.id, plan, model)


@stage("verify")
def verify(run: Run, model: ModelVersion) -> checks.Verification:
    """Check that every source has a vector or a quarantine row, and every vector its chunk."""
    with run.recorder.span("verify") as span, run.collection.read() as con:
        # A model that was new when the run began has its number only since the first shard.
        number = model.id or runs.run(con, run.id).model_version_id
        found = checks.verify(con, run.id, number)
        span.num_items = found.num_sources
    return found
