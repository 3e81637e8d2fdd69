"""Put a collection back as it was before a run, from what the run left in the undo log.

One transaction, which is a run of its own and can be undone in turn; nothing is embedded. Refuses
where a later run touched the same sources or contents, unless it was undone too. What belongs to a
model version and not to sources stays: the version, its probes, hub terms of vectors that had none.
Vectors that come back are numbered anew, so that codes and scores that had dropped them take them
up again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa

from crossmodal.errors import UndoRefused
from crossmodal.ledger.sql import one_number, registered
from crossmodal.ledger.words import postings
from crossmodal.ledger.write import runs, shard_writer, undo_log
from crossmodal.ledger.write.model_versions import all_versions, table_of, vector_lists
from crossmodal.ledger.write.undo_log import Undo, noted

_FIRST = "QUALIFY row_number() OVER (PARTITION BY {key} ORDER BY undo_seq, existed DESC) = 1"

# A run and the one that undid it cancel out, if both came after the run in question.
_FIND_CANCELLED = """
CREATE OR REPLACE TEMP TABLE cancelled AS
WITH later AS (SELECT * FROM undo_run WHERE seq > (SELECT seq FROM undo_run WHERE run_id = $id))
SELECT unnest([d.run_id, d.undone_by]) AS run_id FROM later d
JOIN later u ON u.run_id = d.undone_by
"""
_HOLDS = "o.undo_run <> $id AND o.undo_run NOT IN (SELECT run_id FROM cancelled)"
_LATER = f"""
WITH touch AS (
    SELECT undo_run, 'u' || uri AS key, undo_seq FROM undo_source
    UNION ALL SELECT undo_run, 'c' || content_hash, undo_seq FROM undo_source
    UNION ALL SELECT undo_run, 'c' || content_after, undo_seq FROM undo_source),
mine AS (
    SELECT key, min(undo_seq) AS seq FROM touch
    WHERE undo_run = $id AND key IS NOT NULL GROUP BY key)
SELECT o.undo_run FROM mine m JOIN touch o ON o.key = m.key AND o.undo_seq > m.seq
WHERE {_HOLDS} GROUP BY o.undo_run ORDER BY max(o.undo_seq) DESC LIMIT 1
"""

# Of a row that the run itself had added before, nothing comes back.
_BACK = (
    f"""
    CREATE OR REPLACE TEMP TABLE back_source AS
    SELECT * FROM undo_source WHERE undo_run = $id {_FIRST.format(key="uri")}""",
    f"""
    CREATE OR REPLACE TEMP TABLE back_chunk AS
    SELECT * FROM undo_chunk WHERE undo_run = $id {_FIRST.format(key="chunk_id")}""",
    f"""
    CREATE OR REPLACE TEMP TABLE back_vector AS
    SELECT * FROM undo_vector WHERE undo_run = $id {_FIRST.format(key="list, chunk_id")}""",
    f"""
    CREATE OR REPLACE TEMP TABLE back_quarantine AS
    SELECT * FROM undo_quarantine q WHERE undo_run = $id AND NOT EXISTS (
        SELECT 1 FROM undo_quarantine o
        WHERE o.uri = q.uri AND o.part = q.part AND o.undo_seq > q.undo_seq AND {_HOLDS})
    {_FIRST.format(key="uri, part")}""",
    """
    CREATE OR REPLACE TEMP TABLE orphan AS
    SELECT chunk_id FROM chunk WHERE run_id = $id
    UNION SELECT chunk_id FROM back_chunk WHERE NOT existed""",
)

_PUT_SOURCES = """
DELETE FROM source WHERE uri IN (SELECT uri FROM back_source WHERE NOT existed);
INSERT OR REPLACE INTO source BY NAME
    SELECT * EXCLUDE (undo_run, undo_seq, existed, content_after) FROM back_source WHERE existed;
DELETE FROM source_words WHERE uri IN (SELECT uri FROM back_source WHERE NOT existed)
"""
_PUT_QUARANTINE = """
DELETE FROM quarantine WHERE (uri, part) IN (
    SELECT (uri, part) FROM back_quarantine WHERE NOT existed);
INSERT OR REPLACE INTO quarantine BY NAME
    SELECT * EXCLUDE (undo_run, undo_seq, existed) FROM back_quarantine WHERE existed
"""
_NEW_CHUNKS = "run_id <> $id AND existed AND chunk_id NOT IN (SELECT chunk_id FROM chunk)"
_NEW_VECTORS = """
list = $list AND existed AND run_id <> $id
AND chunk_id NOT IN (SELECT chunk_id FROM {table})
AND chunk_id IN (SELECT chunk_id FROM chunk)
"""
# A vector that a run dropped may have been computed anew since, by the run itself.
_ADDED_VECTORS = """
run_id = '{id}' OR chunk_id IN (
    SELECT chunk_id FROM back_vector WHERE list = '{table}')
"""
_MARK_CHUNKS = """
INSERT INTO undo_chunk BY NAME
SELECT $run_id AS undo_run, $seq AS undo_seq, false AS existed, chunk_id FROM new_chunk
"""
_MARK_VECTORS = """
INSERT INTO undo_vector BY NAME
SELECT $run_id AS undo_run, $seq AS undo_seq, false AS existed, $list AS list, chunk_id
FROM new_vector
"""
_PLANNED = """
SELECT uri, CASE WHEN existed THEN content_hash END AS content_hash,
    CASE WHEN existed THEN 'changed' ELSE 'deleted' END AS action, NULL::VARCHAR AS previous_uri
FROM back_source
"""
# Tables that were fitted since to other vectors, or with other probes, stay.
_FIND_CALIBRATIONS = """
CREATE OR REPLACE TEMP TABLE back_calibration AS
    SELECT c.* EXCLUDE (undo_run, revision) FROM undo_calibration c
    JOIN probe p ON p.model_version_id = c.model_version_id AND p.revision = c.revision
    WHERE c.undo_run = $id
"""
_IS_LATEST = """
SELECT count(*) FROM undo_run WHERE run_id <> $undo
    AND seq > (SELECT seq FROM undo_run WHERE run_id = $id)
"""

_LISTED = """
SELECT u.run_id, r.flow, epoch(r.started_at), u.num_bytes, coalesce(u.undoes, ''),
    coalesce(u.undone_by, ''),
    (SELECT count(DISTINCT uri) FROM undo_source s WHERE s.undo_run = u.run_id)
FROM undo_run u JOIN run r USING (run_id) ORDER BY u.seq DESC
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoable:
    """Tell of one run that the undo log keeps."""

    run_id: str
    flow: str
    started_at: datetime
    num_sources: int
    num_bytes: int | None
    """None while it runs, and of one that was interrupted."""
    undoes: str
    """The run that it undid; empty for others."""
    undone_by: str
    """The run that undid it; empty where it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """Say what undoing a run did."""

    run_id: str
    """Of the undoing itself; undo this, and the run holds again."""
    undid: str
    num_sources: int
    num_chunks_back: int
    num_chunks_gone: int
    num_vectors_back: int
    num_vectors_gone: int


def undoable(con: duckdb.DuckDBPyConnection) -> list[Undoable]:
    """Return the runs of which the undo log knows, latest first."""
    return [
        Undoable(
            run_id=run_id,
            flow=flow,
            started_at=datetime.fromtimestamp(started_s, UTC),
            num_sources=num_sources,
            num_bytes=num_bytes,
            undoes=undoes,
            undone_by=undone_by,
        )
        for run_id, flow, started_s, num_bytes, undoes, undone_by, num_sources in con.execute(
            _LISTED
        ).fetchall()
    ]


def undo(con: duckdb.DuckDBPyConnection, start: runs.RunStart, spec: str) -> Undone:
    """Put back what the run whose id begins with ``spec`` changed, as the run ``start``.

    Raises:
        UndoRefused: it is at work, was undone, is not kept, or a later run touched the same.
        CollectionError: there is no such run, or more than one.
    """
    target = runs.run(con, spec).run_id
    runs.start_run(con, start)
    _refuse(con, target, start.run_id)
    with noted(con, start.run_id, undoes=target) as log:
        done = _put_back(con, log, target)
    _link(con, target, start.run_id)
    undo_log.settle(con, start.run_id)
    counts = {"undid": target, "num_sources": done.num_sources}
    runs.finish_run(con, start.run_id, "completed", counts, "")
    return done


def _put_back(con: duckdb.DuckDBPyConnection, log: Undo, target: str) -> Undone:
    for statement in _BACK:
        con.execute(statement, {"id": target})
    num_sources = one_number(con, "SELECT count(*) FROM back_source")
    planned = con.sql(_PLANNED).to_arrow_table()
    with registered(con, planned=planned):
        log.sources()
    num_gone = one_number(con, "SELECT count(*) FROM orphan")
    tables = [table_of(held) for version in all_versions(con) for held in vector_lists(version)]
    vectors_gone = sum(_drop_vectors(con, log, table, target) for table in tables)
    shard_writer.drop_chunks(con, log, tables)
    chunks_back = _chunks_back(con, log, target)
    vectors_back = sum(_vectors_back(con, log, table, target) for table in tables)
    con.execute(_PUT_SOURCES)
    postings.put_names(con, _uris(planned))
    con.execute(_PUT_QUARANTINE)
    if not one_number(con, _IS_LATEST, {"id": target, "undo": log.run_id}):
        con.execute(_FIND_CALIBRATIONS, {"id": target})
        con.execute("DELETE FROM calibration")
        con.execute("INSERT INTO calibration BY NAME FROM back_calibration")
    return Undone(
        run_id=log.run_id,
        undid=target,
        num_sources=num_sources,
        num_chunks_back=chunks_back,
        num_chunks_gone=num_gone,
        num_vectors_back=vectors_back,
        num_vectors_gone=vectors_gone,
    )


def _uris(planned: pa.Table) -> list[str]:
    rows = planned.select(["uri", "action"]).to_pylist()
    return [row["uri"] for row in rows if row["action"] != "deleted"]


def _drop_vectors(con: duckdb.DuckDBPyConnection, log: Undo, table: str, target: str) -> int:
    """Delete the vectors that the run added to chunks that stay; return how many go in all."""
    added = _ADDED_VECTORS.format(id=target, table=table)
    of_chunks = "chunk_id IN (SELECT chunk_id FROM orphan)"
    num = one_number(con, f"SELECT count(*) FROM {table} WHERE ({added}) OR {of_chunks}")
    alone = f"({added}) AND NOT {of_chunks}"
    log.vectors(table, alone)
    con.execute(f"DELETE FROM {table} WHERE {alone}")
    return num


def _chunks_back(con: duckdb.DuckDBPyConnection, log: Undo, target: str) -> int:
    con.execute(
        "CREATE OR REPLACE TEMP TABLE new_chunk AS SELECT * EXCLUDE (undo_run, undo_seq, existed) "
        f"FROM back_chunk WHERE {_NEW_CHUNKS}",
        {"id": target},
    )
    con.execute("INSERT INTO chunk BY NAME FROM new_chunk")
    if log.seq:
        con.execute(_MARK_CHUNKS, {"run_id": log.run_id, "seq": log.seq})
    postings.put_chunk_words(con, con.sql("FROM new_chunk").to_arrow_table())
    return one_number(con, "SELECT count(*) FROM new_chunk")


def _vectors_back(con: duckdb.DuckDBPyConnection, log: Undo, table: str, target: str) -> int:
    con.execute(
        "CREATE OR REPLACE TEMP TABLE new_vector AS SELECT chunk_id, run_id, v, hub "
        f"FROM back_vector WHERE {_NEW_VECTORS.format(table=table)}",
        {"id": target, "list": table},
    )
    con.execute(f"INSERT INTO {table} (chunk_id, run_id, v, hub) FROM new_vector ORDER BY chunk_id")
    if log.seq:
        con.execute(_MARK_VECTORS, {"run_id": log.run_id, "seq": log.seq, "list": table})
    return one_number(con, "SELECT count(*) FROM new_vector")


def _link(con: duckdb.DuckDBPyConnection, target: str, undoing: str) -> None:
    """Note who undid whom; where an undoing is undone, what it undid holds again."""
    con.execute("UPDATE undo_run SET undone_by = ? WHERE run_id = ?", [undoing, target])
    con.execute(
        "UPDATE undo_run SET undone_by = NULL "
        "WHERE run_id = (SELECT undoes FROM undo_run WHERE run_id = ?)",
        [target],
    )


def _refuse(con: duckdb.DuckDBPyConnection, target: str, undoing: str) -> None:
    busy = con.execute(
        "SELECT run_id FROM run WHERE state = 'running' AND run_id <> ?", [undoing]
    ).fetchall()
    if busy:
        raise UndoRefused(f"run {busy[0][0]} is at work: wait until it ends, then undo")
    kept = con.execute("SELECT undone_by FROM undo_run WHERE run_id = ?", [target]).fetchall()
    if not kept:
        known = ", ".join(each.run_id[:8] for each in undoable(con)) or "none"
        raise UndoRefused(
            f"of run {target} nothing is kept: it changed no source, or was too long ago "
            f"(--keep-undo). What can be undone: {known}"
        )
    if kept[0][0]:
        raise UndoRefused(
            f"run {target} was undone by {kept[0][0]}: undo that one, and it holds again"
        )
    con.execute(_FIND_CANCELLED, {"id": target})
    later = con.execute(_LATER, {"id": target}).fetchall()
    if later:
        told = runs.run(con, later[0][0])
        raise UndoRefused(
            f"run {told.run_id} ({told.flow}, {told.started_at:%Y-%m-%d %H:%M} UTC) touched the "
            "same sources later: undo that one first"
        )
