"""Keep the ledger of backfills: a row a backfill, a row for each of its partitions.

Owns the counts that people follow a backfill by; decides nothing: what is left to do comes from
the plan. Invariant: a partition's counts are taken from the sources, vectors and quarantine rows
themselves, so they are right again after any crash and count what other runs have done too.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

import duckdb
import pyarrow as pa

from crossmodal.errors import CollectionError
from crossmodal.ledger.backfill_records import (
    Backfill,
    BackfillRecord,
    PartitionCount,
    PartitionRecord,
)
from crossmodal.ledger.sql import registered
from crossmodal.ledger.write.model_versions import embedded_sql
from crossmodal.records import Lineup

_CELLS_SCHEMA = pa.schema(
    [
        pa.field("name", pa.string()),
        pa.field("num_planned", pa.int64()),
        pa.field("num_done", pa.int64()),
        pa.field("num_failed", pa.int64()),
        pa.field("num_vectors", pa.int64()),
        pa.field("state", pa.string()),
    ]
)

# Read first the few rows asked for, then only their chunks: a backfill counts partition by
# partition, and a collection may hold millions.
_COUNT = """
WITH part AS (
    SELECT n.name, p.uri IS NOT NULL AND p.embed AS due, p.size_bytes,
        coalesce(p.content_hash, s.content_hash) AS content_hash,
        q.uri IS NOT NULL
            AND (q.model_version_id IS NULL OR q.model_version_id = $model) AS refused,
        coalesce(p.action = 'skipped',
            s.uri IS NOT NULL AND s.content_hash IS NULL AND q.uri IS NULL) AS skipped
    FROM (FROM read_parquet($names) WHERE $name IS NULL OR name = $name) n
    LEFT JOIN read_parquet($plan) p ON p.uri = n.uri
    LEFT JOIN source s ON s.uri = n.uri
    LEFT JOIN quarantine q ON q.uri = n.uri AND q.part = ''),
embedded AS (
    SELECT c.content_hash, count(*) AS num_vectors
    FROM chunk c SEMI JOIN part USING (content_hash) LEFT JOIN {vectors} v USING (chunk_id)
    WHERE list_contains($chunkers, c.chunker)
    GROUP BY c.content_hash HAVING count(*) = count(v.chunk_id)),
judged AS (
    SELECT part.*, coalesce(e.num_vectors, 0) AS num_vectors,
        row_number() OVER (PARTITION BY name, content_hash) = 1 AS first_copy
    FROM part LEFT JOIN embedded e USING (content_hash)
    WHERE NOT skipped)
SELECT name, count(*) AS num_planned,
    count(*) FILTER (num_vectors > 0) AS num_done,
    count(*) FILTER (num_vectors = 0 AND refused) AS num_failed,
    coalesce(sum(num_vectors) FILTER (first_copy), 0)::BIGINT AS num_vectors,
    count(*) FILTER (due) AS num_due,
    coalesce(sum(size_bytes) FILTER (due), 0)::BIGINT AS bytes_due
FROM judged GROUP BY name ORDER BY name
"""

# What a living run works on stays as it is; whatever else was running has been cut short.
_ENTER = """
INSERT INTO backfill_partition
SELECT $id, name, num_planned, num_done, num_failed, num_vectors, 0, state, $run_id, NULL,
    if(state = 'done', now(), NULL)
FROM counted c
WHERE NOT EXISTS (
    SELECT 1 FROM backfill_partition p JOIN run r ON r.run_id = p.run_id
    WHERE p.backfill_id = $id AND p.name = c.name
        AND p.state = 'running' AND r.state = 'running' AND r.run_id <> $run_id)
ON CONFLICT (backfill_id, name) DO UPDATE SET
    num_planned = excluded.num_planned, num_done = excluded.num_done,
    num_failed = excluded.num_failed, num_vectors = excluded.num_vectors,
    state = excluded.state, finished_at = coalesce(finished_at, excluded.finished_at)
"""

_START = """
UPDATE backfill_partition
SET state = 'running', run_id = $run_id, started_at = coalesce(started_at, now()),
    finished_at = NULL
WHERE backfill_id = $id AND name = $name
"""

_FINISH = """
UPDATE backfill_partition
SET num_planned = $num_planned, num_done = $num_done, num_failed = $num_failed,
    num_vectors = $num_vectors, state = $state, wall_s = wall_s + $wall_s, finished_at = now()
WHERE backfill_id = $id AND name = $name
"""

_TAKE_RUN = """
UPDATE backfill_partition SET wall_s = wall_s + $wall_s
WHERE backfill_id = $id AND run_id = $run_id AND started_at IS NOT NULL
"""

_PARTITIONS = """
SELECT p.name, p.num_planned, p.num_done, p.num_failed, p.num_vectors, p.wall_s,
    if(p.state = 'running' AND r.state <> 'running', 'pending', p.state) AS state, p.run_id,
    epoch(p.started_at) AS started_s, epoch(p.finished_at) AS finished_s
FROM backfill_partition p LEFT JOIN run r ON r.run_id = p.run_id
WHERE p.backfill_id = $id ORDER BY p.name
"""

_BACKFILLS = """
SELECT b.backfill_id, b.spec, epoch(b.created_at), count(p.name),
    count(p.name) FILTER (p.state = 'done'), coalesce(sum(p.num_planned), 0)::BIGINT,
    coalesce(sum(p.num_done), 0)::BIGINT, coalesce(sum(p.num_failed), 0)::BIGINT
FROM backfill b LEFT JOIN backfill_partition p USING (backfill_id)
GROUP BY b.backfill_id, b.spec, b.created_at ORDER BY b.created_at DESC, b.backfill_id
"""


def backfill_id(spec: dict[str, Any]) -> str:
    """Return the name of a backfill: the same request is the same backfill."""
    plain = json.dumps(spec, default=str, sort_keys=True)
    return hashlib.sha256(plain.encode()).hexdigest()[:16]


def count(
    con: duckdb.DuckDBPyConnection,
    backfill: Backfill,
    lineup: Lineup,
    name: str | None = None,
) -> list[PartitionCount]:
    """Count what each partition, or the one of this name, has and lacks at this moment."""
    vectors = embedded_sql(lineup)
    params = {
        "names": str(backfill.names),
        "plan": str(backfill.plan),
        "chunkers": list(backfill.chunkers),
        "model": lineup.id,
        "name": name,
    }
    rows = con.execute(_COUNT.format(vectors=vectors), params).fetchall()
    return [PartitionCount(**dict(zip(PartitionCount.__slots__, row, strict=True))) for row in rows]


def enter(con: duckdb.DuckDBPyConnection, backfill: Backfill, run_id: str) -> None:
    """Write the backfill and its partitions as they are before the run's first shard."""
    con.execute(
        "INSERT INTO backfill VALUES (?, ?, now()) ON CONFLICT DO NOTHING",
        [backfill.id, json.dumps(backfill.spec, default=str, sort_keys=True)],
    )
    if not backfill.counts:
        return
    cells = [_cells(count) for count in backfill.counts]
    with registered(con, counted=pa.Table.from_pylist(cells, schema=_CELLS_SCHEMA)):
        con.execute(_ENTER, {"id": backfill.id, "run_id": run_id})


def start(con: duckdb.DuckDBPyConnection, backfill: Backfill, name: str, run_id: str) -> None:
    """Say that a run works on the partition."""
    con.execute(_START, {"id": backfill.id, "name": name, "run_id": run_id})


def finish(
    con: duckdb.DuckDBPyConnection, backfill: Backfill, count: PartitionCount, wall_s: float
) -> None:
    """Write what came of the partition, and the seconds that it took."""
    con.execute(_FINISH, _cells(count) | {"id": backfill.id, "wall_s": wall_s})


def take_run_time(
    con: duckdb.DuckDBPyConnection, backfill: Backfill, run_id: str, wall_s: float
) -> None:
    """Give a partition that was the only one of a run the whole time of that run."""
    if len(backfill.partitions) == 1:
        con.execute(_TAKE_RUN, {"id": backfill.id, "run_id": run_id, "wall_s": wall_s})


def partitions(con: duckdb.DuckDBPyConnection, backfill_id: str) -> list[PartitionRecord]:
    """Return a backfill's partitions by name; one that was cut short is pending again."""
    rows = con.execute(_PARTITIONS, {"id": backfill_id}).fetchall()
    return [
        PartitionRecord(**dict(zip(PartitionRecord.__slots__, row, strict=True))) for row in rows
    ]


def find(con: duckdb.DuckDBPyConnection, id_or_prefix: str) -> BackfillRecord:
    """Return the one backfill whose id begins like this.

    Raises:
        CollectionError: there is none, or more than one.
    """
    known = all_backfills(con)
    found = [record for record in known if record.backfill_id.startswith(id_or_prefix)]
    if len(found) != 1:
        ids = ", ".join(record.backfill_id for record in found or known) or "none"
        few = "more than one backfill" if found else "no backfill"
        raise CollectionError(f"{id_or_prefix!r} is {few} of this collection: there are {ids}")
    return found[0]


def all_backfills(con: duckdb.DuckDBPyConnection) -> list[BackfillRecord]:
    """Return every backfill, newest first."""
    found = []
    for row in con.execute(_BACKFILLS).fetchall():
        cells = dict(zip(BackfillRecord.__slots__, row, strict=True))
        found.append(BackfillRecord(**cells | {"spec": json.loads(cells["spec"])}))
    return found


def _cells(count: PartitionCount) -> dict[str, Any]:
    return {name: getattr(count, name) for name in _CELLS_SCHEMA.names}
