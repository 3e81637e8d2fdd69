"""Check a finished run: its coverage, withheld deletions, and the ledger's consistency."""

from __future__ import annotations

from crossmodal.errors import CoverageTooLow, DeletionWithheld, RunError
from crossmodal.records import NOT_AT_FAULT
from crossmodal.runs.report import RunReport
from crossmodal.views.human import percent

_NUM_NAMED = 10
SMALL_RUN = 20
"""Files below which one alone would close a gate of 95 %."""
_SMALL_SHARE = 0.5


def broken_promise(found: RunReport, problems: list[str]) -> RunError | None:
    """Return the error with which the run must end, or None if every check passed."""
    if problems:
        return RunError("the ledger is not sound: " + "; ".join(problems))
    if found.coverage < share_asked(found):
        return CoverageTooLow(_coverage_message(found))
    if found.withheld:
        return DeletionWithheld("; ".join(found.withheld))
    return None


def share_asked(found: RunReport) -> float:
    """Return the share that has to be covered; of a few files half, unless all were asked for.

    A nightly run of three new files is not to fail, and wake somebody, for one of them.
    """
    if found.num_expected >= SMALL_RUN or found.min_coverage == 1:
        return found.min_coverage
    return min(found.min_coverage, _SMALL_SHARE)


def _coverage_message(found: RunReport) -> str:
    failed = [r for r in found.rejected if r.reason not in NOT_AT_FAULT][:_NUM_NAMED]
    named = ", ".join(f"{r.uri} ({r.reason})" for r in failed)
    rest = found.num_failed - len(failed)
    more = f" and {rest} more, see `crossmodal quarantine`" if rest else ""
    return (
        f"{found.num_covered} of {found.num_expected} planned files got a vector, "
        f"{percent(share_asked(found))} were asked for: {named}{more}. What succeeded is kept; "
        "mend the files and use --retry-failed, or lower --min-coverage"
    )
