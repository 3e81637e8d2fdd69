"""Keep the merits from which hits of a line-up are called strong and likely, as judgements say.

They belong to the model versions and to the calibration that the merits came from: under another
one they do not count.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass

import duckdb

from crossmodal.ledger.write.settings import remember, setting

_KEY = "strength_limits"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredLimits:
    """Hold the limits of one line-up, and what they were fitted to."""

    model: str
    """Label of the line-up."""
    versions: Sequence[int]
    revision: str
    """Of the calibration."""
    strong: float | None
    """Merit; None where no merit held the precision that was asked for, so that it stays as is."""
    likely: float | None
    precision: dict[str, float]
    """By word, the share of hits so called that has to fit."""
    num_judged: int
    num_queries: int
    fitted_at: str
    """ISO 8601, UTC."""

    def sentence(self) -> str:
        """Return the limits in one line."""
        parts = [
            f"{word} from merit {limit:.2f} on ({self.precision[word]:.0%} fit)"
            if limit is not None
            else f"{word} as without judgements ({self.precision[word]:.0%} not shown)"
            for word, limit in (("strong", self.strong), ("likely", self.likely))
        ]
        return f"{', '.join(parts)}: {self.num_judged:,} judged hits of {self.model}"


def all_limits(con: duckdb.DuckDBPyConnection) -> list[StoredLimits]:
    """Return the limits of every line-up that has some."""
    return [StoredLimits(**kept) for _, kept in sorted(setting(con, _KEY).items())]


def limits_for(
    con: duckdb.DuckDBPyConnection, versions: Collection[int], revision: str
) -> StoredLimits | None:
    """Return the limits that hold for hits of all these versions; None where none do."""
    for kept in all_limits(con):
        if kept.revision == revision and set(versions) <= set(kept.versions):
            return kept
    return None


def put_limits(con: duckdb.DuckDBPyConnection, limits: StoredLimits) -> None:
    """Keep the limits of a line-up in place of the ones that it had."""
    kept = {known.model: asdict(known) for known in all_limits(con)}
    remember(con, _KEY, kept | {limits.model: asdict(limits)})


def drop_limits(con: duckdb.DuckDBPyConnection) -> int:
    """Forget all limits, and say how many there were."""
    kept = len(all_limits(con))
    remember(con, _KEY, {})
    return kept
