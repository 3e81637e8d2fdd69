"""Put a run's report together from its plan, the ledger and the clock."""

from __future__ import annotations

import os
import time

from crossmodal.ledger.read.outcome import outcome
from crossmodal.ledger.write import runs
from crossmodal.records import Plan, Span
from crossmodal.runs.profile import summarise
from crossmodal.runs.report import MAX_ROWS, RunReport, peak_rss_bytes
from crossmodal.runs.run import Run


def assemble_report(run: Run, plan: Plan, problems: list[str], min_coverage: float) -> RunReport:
    """Return what the run did so far; only showing the report is not in its time."""
    with run.recorder.span("report"), run.collection.read() as con:
        model = run.lineup.id if run.lineup else None
        found = outcome(con, run.id, MAX_ROWS, plan.folders, model)
    run.flush_spans()
    with run.collection.read() as con:
        spans = runs.spans(con, run.id)
    wall_s = round(time.time() - run.began_s, 3)
    profile = summarise(spans, os.cpu_count() or 1, wall_s)
    num_quarantined = sum(found.quarantined.values())
    # Copies of a refused file are refused with it, though no forward pass was planned for them.
    num_planned = max(plan.summary.num_to_embed + len(plan.summary.rejected), num_quarantined)
    return RunReport(
        run_id=run.id,
        state="ended",
        counts=plan.summary.counts,
        num_planned=num_planned,
        num_embedded=_num_forward(spans),
        bytes_embedded=plan.summary.bytes_to_embed,
        min_coverage=min_coverage,
        quarantined=found.quarantined,
        rejected=found.rejected,
        flaws=found.flaws,
        unfindable=found.unfindable,
        withheld=plan.summary.withheld,
        messages=[*run.notes, *problems],
        profile=profile,
        wall_s=wall_s,
        peak_rss_bytes=peak_rss_bytes(),
    )


def _num_forward(spans: list[Span]) -> int:
    return sum(span.num_items for span in spans if span.operator == "forward")
