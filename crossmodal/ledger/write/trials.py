"""Keep which A/B trial a collection is in: which version answers which share of the searches.

Which version answers depends on the query and the trial alone, so that a query finds the same on
every page and every day, and what people say of its hits can be told apart afterwards.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass

import duckdb

from crossmodal.ledger.write.settings import remember, setting

_KEY, _AND = "trial", " + "
_NUM_DRAWS = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Say which version answers which share of the searches, and since when."""

    version_id: int
    live: str
    """What answers the others: labels of the live versions that the challenger stands in for."""
    challenger: str
    """Label of the version that answers the share; a line-up keeps what both have in common."""
    share: float
    salt: str
    """Divides the queries; new in every trial."""
    since: str
    """ISO 8601, UTC."""

    def takes(self, query: str) -> bool:
        """Say whether the challenger answers a query; white space makes no other query."""
        text = f"{self.salt}\0{' '.join(query.split())}"
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(digest[:4], "big") < self.share * _NUM_DRAWS

    def is_by(self, model: str, *, challenger: bool) -> bool:
        """Say whether an answer is by this side, going by the labels that it names."""
        own = self.challenger if challenger else self.live
        return not set(own.split(_AND)).isdisjoint(model.split(_AND))

    def sentence(self) -> str:
        """Return what the trial is, in one line."""
        return f"{self.challenger} answers {self.share:.0%} of the queries, {self.live} the others"


def trial_of(con: duckdb.DuckDBPyConnection) -> Trial | None:
    """Return the trial that is on; None where none is."""
    kept = setting(con, _KEY)
    return Trial(**kept) if kept else None


def put_trial(con: duckdb.DuckDBPyConnection, trial: Trial | None) -> None:
    """Note the trial that is on from now on; None for none."""
    remember(con, _KEY, asdict(trial) if trial else {})
