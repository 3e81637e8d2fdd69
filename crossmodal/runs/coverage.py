"""Check a finished run: its coverage, withheld deletions, and the ledger's consistency."""

from __future__ import annotations

from crossmodal.errors import CoverageTooLow, DeletionWithheld, RunError
from crossmodal.runs.report import RunReport
from crossmodal.views.human import percent

_NUM_NAMED = 10


def broken_promise(found: RunReport, problems: list[str]) -> RunError | None:
    """Return the error with which the run must end, or None if every check passed."""
    if problems:
        return RunError("the ledger is not sound: " + "; ".join(problems))
    if found.coverage < found.min_coverage:
        return CoverageTooLow(_coverage_message(found))
    if found.withheld:
        return DeletionWithheld("; ".join(found.withheld))
    return None


def _coverage_message(found: RunReport) -> str:
    named = ", ".join(f"{r.uri} ({r.reason})" for r in found.rejected[:_NUM_NAMED])
    rest = found.num_quarantined - min(_NUM_NAMED, len(found.rejected))
    more = f" and {rest} more, see `crossmodal quarantine`" if rest else ""
    return (
        f"{found.num_covered} of {found.num_planned} planned files got a vector, "
        f"{percent(found.min_coverage)} were asked for: {named}{more}. What succeeded is kept; "
        "mend the files and use --retry-failed, or lower --min-coverage"
    )
