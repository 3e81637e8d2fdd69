"""Keep what was refused: one row a source or part of one, with stage, reason and attempts.

A source whose ``part`` is empty was refused as a whole and is held back until it changes. A part
is told of and nothing more: the rest of its source has vectors. Invariant, once a run has settled:
every source of content that was refused under a model version has a row of its own, and no row
outlives the failure that it tells of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from crossmodal.ledger.sql import registered
from crossmodal.ledger.write.model_versions import embedded_sql
from crossmodal.records import Lineup, Rejected

_REJECTED_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string()),
        pa.field("stage", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("transient", pa.bool_()),
        pa.field("content_hash", pa.string()),
        pa.field("size_bytes", pa.int64()),
        pa.field("mtime_ns", pa.int64()),
        pa.field("part", pa.string()),
    ]
)

# A file that was replaced since starts to count its attempts anew.
_INSERT = """
INSERT INTO quarantine
SELECT DISTINCT ON (uri, part) uri, stage, reason, detail, transient, 1, content_hash, size_bytes,
    mtime_ns, $model, $run_id, now(), now(), part
FROM ({refused})
ON CONFLICT (uri, part) DO UPDATE SET
    attempts = CASE WHEN quarantine.size_bytes = excluded.size_bytes
        AND quarantine.mtime_ns = excluded.mtime_ns THEN quarantine.attempts + 1 ELSE 1 END,
    stage = excluded.stage, reason = excluded.reason, detail = excluded.detail,
    transient = excluded.transient, content_hash = excluded.content_hash,
    size_bytes = excluded.size_bytes, mtime_ns = excluded.mtime_ns,
    model_version_id = excluded.model_version_id, run_id = excluded.run_id,
    last_seen = excluded.last_seen
"""

_LISTED = "FROM rejected"

_REFUSED_IN_SHARD = """
SELECT e.uri, e.stage, e.reason, coalesce(e.detail, '') AS detail,
    coalesce(e.transient, false) AS transient, e.content_hash, p.size_bytes, p.mtime_ns, e.part
FROM cut e JOIN planned p ON p.uri = e.uri
WHERE e.reason IS NOT NULL
"""

# What another model version refused stays, unless the file itself has changed since. What this
# shard refuses stays to count its attempts; parts that it no longer refuses go.
_CLEAR_EMBEDDED = """
DELETE FROM quarantine
WHERE NOT EXISTS (
    SELECT 1 FROM cut e
    WHERE e.reason IS NOT NULL AND e.uri = quarantine.uri AND e.part = quarantine.part)
AND (
    (coalesce(model_version_id, $model) = $model
     AND content_hash IN (SELECT content_hash FROM cut WHERE reason IS NULL))
    OR EXISTS (
        SELECT 1 FROM cut e
        WHERE e.reason IS NULL AND e.uri = quarantine.uri
        AND (coalesce(quarantine.model_version_id, $model) = $model
             OR quarantine.content_hash IS DISTINCT FROM e.content_hash)))
"""

_CLEAR_REPLACED = """
DELETE FROM quarantine
WHERE EXISTS (
    SELECT 1 FROM planned p
    WHERE p.uri = quarantine.uri AND p.action <> 'deleted'
    AND (p.content_hash IS NULL OR quarantine.content_hash IS DISTINCT FROM p.content_hash))
"""

_CLEAR_GONE = """
DELETE FROM quarantine
WHERE uri IN (
    SELECT uri FROM planned WHERE action = 'deleted'
    UNION ALL SELECT previous_uri FROM planned WHERE action = 'renamed')
AND uri NOT IN (SELECT uri FROM source)
"""

# A touched file is still the one that was refused, so the next run need not look at it again.
_TOUCH = """
UPDATE quarantine SET size_bytes = p.size_bytes, mtime_ns = p.mtime_ns
FROM planned p
WHERE p.uri = quarantine.uri AND p.content_hash = quarantine.content_hash
AND p.mtime_ns <> quarantine.mtime_ns
"""

# A copy may be readable where the first was not, so a failure to read is tried on the copy too.
_COPY = """
INSERT INTO quarantine
SELECT DISTINCT ON (s.uri) s.uri, q.stage, q.reason, q.detail, q.transient OR q.stage = 'read', 1,
    q.content_hash, s.size_bytes, s.mtime_ns, q.model_version_id, $run_id, now(), now(), ''
FROM quarantine q JOIN source s ON s.content_hash = q.content_hash
WHERE q.part = '' AND s.uri NOT IN (SELECT uri FROM quarantine) AND {without_vector}
ORDER BY s.uri, q.uri
"""

_WITHOUT_VECTOR = """
NOT EXISTS (
    SELECT 1 FROM chunk c JOIN {vectors} v ON v.chunk_id = c.chunk_id
    WHERE c.content_hash = q.content_hash)
"""

_CLEAR_RECOVERED = """
DELETE FROM quarantine
WHERE stage = 'discover' AND run_id <> $run_id AND EXISTS (
    SELECT 1 FROM (SELECT rtrim(unnest($roots::VARCHAR[]), '/') AS root) r
    WHERE uri = r.root OR starts_with(uri, r.root || '/'))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineRow:
    """Tell of one refused source."""

    uri: str
    part: str
    """Which part of the source; empty for the whole of it."""
    stage: str
    reason: str
    detail: str
    transient: bool
    attempts: int
    size_bytes: int
    last_seen_s: float
    """Seconds since the epoch."""

    @property
    def place(self) -> str:
        """Return the source, and the part of it where it is not the whole."""
        return f"{self.uri} ({self.part})" if self.part else self.uri


def add_rejected(
    con: duckdb.DuckDBPyConnection,
    run_id: str,
    rejected: list[Rejected],
    model_version_id: int | None,
) -> None:
    """Add or renew the rows of what discovery or planning refused; counts one attempt more."""
    if not rejected:
        return
    rows = [{name: getattr(item, name) for name in _REJECTED_SCHEMA.names} for item in rejected]
    with registered(con, rejected=pa.Table.from_pylist(rows, schema=_REJECTED_SCHEMA)):
        con.execute(_INSERT.format(refused=_LISTED), {"model": model_version_id, "run_id": run_id})


def clear_recovered(con: duckdb.DuckDBPyConnection, run_id: str, roots: list[str]) -> None:
    """Drop what earlier runs could not list under these folders and this run could.

    Discovery tells anew of every folder and name that it cannot use, so call this after
    ``add_rejected`` with what this run's discovery refused.
    """
    con.execute(_CLEAR_RECOVERED, {"run_id": run_id, "roots": roots})


def settle_shard(con: duckdb.DuckDBPyConnection, run_id: str, lineup: Lineup) -> None:
    """Drop the rows of what now has a vector, add those of what was refused.

    Reads the tables ``planned`` and ``cut``, which the caller has registered.
    """
    con.execute(_CLEAR_EMBEDDED, {"model": lineup.id})
    con.execute(_INSERT.format(refused=_REFUSED_IN_SHARD), {"model": lineup.id, "run_id": run_id})
    con.execute(_CLEAR_GONE)


def settle_plan(con: duckdb.DuckDBPyConnection, run_id: str, lineup: Lineup | None) -> None:
    """Drop the rows that the plan makes untrue, give every copy of refused content its own.

    Reads the table ``planned``, which the caller has registered and already put into ``source``.
    """
    con.execute(_CLEAR_REPLACED)
    con.execute(_TOUCH)
    without_vector = "true"
    if lineup is not None:
        without_vector = _WITHOUT_VECTOR.format(vectors=embedded_sql(lineup))
    con.execute(_COPY.format(without_vector=without_vector), {"run_id": run_id})
    con.execute(_CLEAR_GONE)


def count_by_reason(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Return the number of rows a reason, most frequent first."""
    rows = con.execute(
        "SELECT reason, count(*) FROM quarantine GROUP BY reason ORDER BY count(*) DESC, reason"
    ).fetchall()
    return dict(rows)


def quarantine_rows(
    con: duckdb.DuckDBPyConnection, limit: int, reason: str | None = None
) -> list[QuarantineRow]:
    """Return the rows, latest failure first; only those of ``reason`` where given."""
    rows: list[tuple[Any, ...]] = con.execute(
        "SELECT uri, part, stage, reason, detail, transient, attempts, size_bytes, "
        "epoch(last_seen) FROM quarantine WHERE $reason IS NULL OR reason = $reason "
        "ORDER BY last_seen DESC, uri, part LIMIT $limit",
        {"reason": reason, "limit": limit},
    ).fetchall()
    return [QuarantineRow(**dict(zip(QuarantineRow.__slots__, row, strict=True))) for row in rows]
