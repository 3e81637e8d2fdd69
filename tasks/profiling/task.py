"""Open the profiling room to flows: report on a run, in the ledger and in the Prefect UI."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.profiling.assemble import assemble_report
from tasks.profiling.promises import broken_promise
from tasks.profiling.report import RunReport
from tasks.records import Plan
from tasks.run import Run
from tasks.storage.verify import Verification
from tasks.task import stage


@stage("report")
def report(
    run: Run,
    plan: Plan,
    verification: Verification,
    thumbnails: list[tuple[str, bytes]],
    min_coverage: float,
) -> dict[str, Any]:
    """Publish what the run did and return it as plain values, its text under ``text``.

    Raises:
        CoverageTooLow, DeletionWithheld, RunError: the run did not keep what it promises.
    """
    found = assemble_report(run, plan, verification.problems, min_coverage)
    error = broken_promise(found, verification.problems)
    final = replace(found, state="failed" if error else "completed", thumbnails=thumbnails)
    run.counts = _kept(final)
    _publish(final)
    plain = final.to_dict() | {"text": final.to_text()}
    if error:
        error.report = plain
        raise error
    return plain


def _publish(final: RunReport) -> None:
    """Show the report under keys that stay the same, so that the UI keeps their history."""
    create_markdown_artifact(final.to_markdown(), key="index-report", description="What a run did")
    if final.rejected:
        rows = [
            {"source": r.uri, "stage": r.stage, "reason": r.reason, "detail": r.detail}
            for r in final.rejected
        ]
        create_table_artifact(rows, key="index-quarantine", description="What a run refused")


def _kept(final: RunReport) -> dict[str, Any]:
    """Return the numbers that the ledger keeps of a report."""
    plain = final.to_dict()
    names = ("counts", "num_planned", "num_embedded", "coverage", "quarantined", "peak_rss_bytes")
    return {name: plain[name] for name in names}
