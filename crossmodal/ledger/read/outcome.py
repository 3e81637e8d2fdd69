"""Gather from the ledger what one run came to, for its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from crossmodal.ledger.read.unfindable import Unfindable, unfindable
from crossmodal.records import Rejected

_REFUSED_COLUMNS = (
    "uri",
    "stage",
    "reason",
    "detail",
    "transient",
    "content_hash",
    "size_bytes",
    "mtime_ns",
)
_REFUSED = f"""
SELECT {", ".join(_REFUSED_COLUMNS)}
FROM quarantine WHERE run_id = ? AND part = '' ORDER BY reason, uri LIMIT ?
"""
_BY_REASON = """
SELECT reason, count(*) FROM quarantine WHERE run_id = ? AND part {of} ''
GROUP BY reason ORDER BY count(*) DESC, reason
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold what a run refused."""

    quarantined: dict[str, int]
    """Whole sources by reason, most frequent first."""
    flaws: dict[str, int]
    """Parts of sources by reason."""
    rejected: list[Rejected]
    """The first of them, by reason and uri."""
    unfindable: Unfindable
    """What of its folders no search can find, whichever run refused it."""


def outcome(
    con: duckdb.DuckDBPyConnection,
    run_id: str,
    max_rejected: int,
    folders: Sequence[str] = (),
    model_version_id: int | None = None,
) -> Outcome:
    """Return what the ledger holds of a run so far, and of the folders that it looked through."""
    by_reason, flaws = (
        con.execute(_BY_REASON.format(of=of), [run_id]).fetchall() for of in ("=", "<>")
    )
    refused = con.execute(_REFUSED, [run_id, max_rejected]).fetchall()
    rejected = [Rejected(**dict(zip(_REFUSED_COLUMNS, row, strict=True))) for row in refused]
    hidden = unfindable(con, folders, model_version_id)
    return Outcome(dict(by_reason), dict(flaws), rejected, hidden)
