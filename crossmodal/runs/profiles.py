"""Fetch the profile of a run, and of the one to compare it with, from the ledger."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from crossmodal.errors import CollectionEmpty
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import runs
from crossmodal.ledger.write.runs import RunRecord
from crossmodal.records import Span
from crossmodal.runs.profile import Profile, Ratio, compare, summarise
from crossmodal.runs.profile_view import comparison_table, profile_table
from crossmodal.views.text_table import TextTable


@dataclass(frozen=True, slots=True)
class ShownProfile:
    """Hold one run's profile and how an earlier run compares."""

    run: RunRecord
    spans: list[Span]
    profile: Profile
    earlier: RunRecord | None
    ratios: list[Ratio]

    @property
    def verdict(self) -> str:
        """Return what bounded the run, in one sentence."""
        return self.profile.verdict

    def to_text_tables(self) -> list[TextTable]:
        """Return the profile's table, then the comparison's."""
        table = profile_table(self.profile)
        tables = [TextTable(f"run {self.run.run_id[:8]}, {table.title}", table.header, table.rows)]
        if self.earlier:
            compared = comparison_table(self.ratios)
            title = f"compared with run {self.earlier.run_id[:8]}"
            tables.append(TextTable(title, compared.header, compared.rows))
        return tables

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "run_id": self.run.run_id,
            "state": self.run.state,
            "profile": self.profile.to_dict(),
            "earlier_run_id": self.earlier.run_id if self.earlier else None,
            "comparison": [ratio.to_dict() for ratio in self.ratios],
        }


def load_profile(collection: str, run: str | None, against: str | None) -> ShownProfile:
    """Return the profile of a run (by id or its beginning; None for the last one).

    Compared is the run ``against``, by default the latest earlier one of the same flow.

    Raises:
        CollectionMissing, CollectionEmpty, CollectionError: there is no such run.
    """
    with Collection(collection).read() as con:
        latest = runs.list_runs(con, 1)
        if not latest:
            raise CollectionEmpty(f"{collection} has no run yet: `crossmodal index PATH...` first")
        chosen = runs.run(con, run) if run else latest[0]
        earlier = runs.run(con, against) if against else runs.run_before(con, chosen.run_id)
        spans = runs.spans(con, chosen.run_id)
        earlier_spans = runs.spans(con, earlier.run_id) if earlier else []
    num_cores = os.cpu_count() or 1
    profile = summarise(spans, num_cores, chosen.reported_s)
    ratios = compare(profile, summarise(earlier_spans, num_cores)) if earlier else []
    return ShownProfile(chosen, spans, profile, earlier, ratios)
