"""Compare a run with the latest completed run of the same flow and collection."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from crossmodal.ledger.write import runs
from crossmodal.ledger.write.runs import RunRecord
from crossmodal.runs.profile import Ratio, compare, summarise
from crossmodal.runs.profile_view import comparison_table
from crossmodal.runs.report import RunReport
from crossmodal.runs.run import Run
from crossmodal.views.human import human_bytes, human_seconds, percent
from crossmodal.views.text_table import TextTable

_SUMS: tuple[tuple[str, str, Callable[[float], str]], ...] = (
    ("took", "wall_s", human_seconds),
    ("embedded", "num_embedded", "{:,}".format),
    ("quarantined", "num_quarantined", "{:,}".format),
    ("coverage", "coverage", percent),
    ("peak memory", "peak_rss_bytes", human_bytes),
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Hold a run's report, the run before it, and how their stages compare."""

    report: RunReport
    earlier: RunRecord
    ratios: list[Ratio]

    def to_markdown(self) -> str:
        """Return the sums of both runs, then their stages."""
        title = (
            f"## Run {self.report.run_id[:8]} beside run {self.earlier.run_id[:8]} "
            f"of {self.earlier.started_at:%Y-%m-%d %H:%M} UTC"
        )
        stages = comparison_table(self.ratios).to_markdown()
        return "\n\n".join([title, self._sums().to_markdown(), "### Stages", stages]) + "\n"

    def _sums(self) -> TextTable:
        now, earlier = self.report.kept(), self.earlier.counts
        rows = [
            (label, _cell(now.get(name), shown), _cell(earlier.get(name), shown))
            for label, name, shown in _SUMS
        ]
        return TextTable("", ("", "this run", "earlier run"), rows)


def compare_with_earlier(run: Run, report: RunReport) -> Comparison | None:
    """Return how the run compares with the one before it; None for the first of its flow."""
    with run.collection.read() as con:
        earlier = runs.run_before(con, run.id)
        spans = runs.spans(con, earlier.run_id) if earlier else []
    if earlier is None or report.profile is None:
        return None
    return Comparison(
        report, earlier, compare(report.profile, summarise(spans, os.cpu_count() or 1))
    )


def _cell(value: float | None, shown: Callable[[float], str]) -> str:
    return "-" if value is None else shown(value)
