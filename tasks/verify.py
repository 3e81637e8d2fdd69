"""Check the ledger at the end of a run."""

from __future__ import annotations

from crossmodal.ledger.read import verify as checks
from crossmodal.records import Lineup
from crossmodal.runs.run import Run
from tasks.stage import stage


@stage("verify", found=lambda checked: "; ".join(checked.problems) or "no problem found")
def verify(run: Run, lineup: Lineup) -> checks.Verification:
    """Check that every source has a vector or a quarantine row, and every vector its chunk."""
    with run.recorder.span("verify") as span, run.collection.read() as con:
        found = checks.verify(con, run.id, run.lineup or lineup)
        span.num_items = found.num_sources
    return found
