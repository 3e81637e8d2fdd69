"""Count the sources that no search can find, and why: those that were refused as a whole.

Owns the question for a folder and for a collection alike, so that the report of a run and the
status never differ. What one model version refused counts for that version only. Sources of a
media type without a chunker were never to be found; they are not counted here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

from crossmodal.ledger.sql import first_row
from crossmodal.records import NOT_AT_FAULT

_BELOW = """
EXISTS (SELECT 1 FROM (SELECT rtrim(unnest($folders::VARCHAR[]), '/') AS folder) f
        WHERE uri = f.folder OR starts_with(uri, f.folder || '/'))
"""
_REFUSED = f"""
SELECT reason, count(*) FROM quarantine
WHERE part = '' AND {_BELOW}
AND ($model::BIGINT IS NULL OR coalesce(model_version_id, $model::BIGINT) = $model::BIGINT)
GROUP BY reason ORDER BY count(*) DESC, reason
"""
_KNOWN = f"""
SELECT count(*) FROM (
    SELECT uri FROM source UNION SELECT uri FROM quarantine WHERE part = ''
) WHERE {_BELOW}
"""


@dataclass(frozen=True, slots=True)
class Unfindable:
    """Count what cannot be found."""

    num_known: int = 0
    """Sources that the ledger knows there, those that can be found included."""
    by_reason: dict[str, int] = field(default_factory=dict)
    """Most frequent first."""

    @property
    def num_failed(self) -> int:
        """Return how many could not be used although there is something in them."""
        return sum(n for reason, n in self.by_reason.items() if reason not in NOT_AT_FAULT)

    @property
    def num_skipped(self) -> int:
        """Return how many hold nothing to find, or nothing that anybody may look at."""
        return sum(self.by_reason.values()) - self.num_failed

    def sentence(self) -> str:
        """Return how much cannot be found, and why; empty where all can."""
        if not self.by_reason:
            return ""
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.by_reason.items())
        num = sum(self.by_reason.values())
        return f"{num:,} of {self.num_known:,} files ({reasons})"


def unfindable(
    con: duckdb.DuckDBPyConnection, folders: Sequence[str], model_version_id: int | None
) -> Unfindable:
    """Return what cannot be found below some folders; ``""`` is above everything.

    Args:
        con: the collection.
        folders: absolute paths or URLs.
        model_version_id: of the joint model that searches use or a run embeds with; None for any.
    """
    below = {"folders": list(folders)}
    refused = con.execute(_REFUSED, below | {"model": model_version_id}).fetchall()
    row = first_row(con, _KNOWN, below)
    return Unfindable(row[0] if row else 0, dict(refused))
