"""Gather from the ledger what one run came to, for its report."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from tasks.records import Rejected, Span
from tasks.storage.runs import spans

_REFUSED = """
SELECT uri, stage, reason, detail, transient, content_hash, size_bytes, mtime_ns
FROM quarantine WHERE run_id = ? ORDER BY reason, uri LIMIT ?
"""
_BY_REASON = """
SELECT reason, count(*) FROM quarantine WHERE run_id = ?
GROUP BY reason ORDER BY count(*) DESC, reason
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold what a run refused and how long each part took."""

    quarantined: dict[str, int]
    """Sources by reason, most frequent first."""
    rejected: list[Rejected]
    """The first of them, by reason and uri."""
    spans: list[Span]


def outcome(con: duckdb.DuckDBPyConnection, run_id: str, max_rejected: int) -> Outcome:
    """Return what the ledger holds of a run so far."""
    by_reason = con.execute(_BY_REASON, [run_id]).fetchall()
    refused = con.execute(_REFUSED, [run_id, max_rejected]).fetchall()
    rejected = [
        Rejected(
            uri=uri,
            stage=stage,
            reason=reason,
            detail=detail,
            transient=transient,
            content_hash=content_hash,
            size_bytes=size_bytes,
            mtime_ns=mtime_ns,
        )
        for uri, stage, reason, detail, transient, content_hash, size_bytes, mtime_ns in refused
    ]
    return Outcome(dict(by_reason), rejected, spans(con, run_id))
