"""Write what a run found out: a shard of vectors, the rest of its plan, its rejections and times.

Every function works inside the caller's transaction and may be repeated: what another run has
already written is left as it is. Data arrives as Arrow and moves by INSERT .. SELECT.
Invariant: a vector row exists only if its chunk row exists, and after ``apply_plan`` a chunk row
only if a source has its content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from crossmodal.ledger.sql import one_number, registered
from crossmodal.ledger.words import postings
from crossmodal.ledger.write import quarantine as refusals
from crossmodal.ledger.write.findings import follow_places
from crossmodal.ledger.write.model_versions import all_versions, table_of, vector_lists
from crossmodal.ledger.write.own_columns import drop_gone
from crossmodal.ledger.write.undo_log import Undo, noted
from crossmodal.records import Lineup, Rejected, Span, VectorList

_SPAN_SCHEMA = pa.schema(
    [
        pa.field("run_id", pa.string()),
        pa.field("stage", pa.string()),
        pa.field("operator", pa.string()),
        pa.field("worker", pa.string()),
        pa.field("started_s", pa.float64()),
        pa.field("wall_s", pa.float64()),
        pa.field("num_items", pa.int64()),
        pa.field("num_bytes", pa.int64()),
    ]
)

_PUT_SOURCES = """
INSERT INTO source
SELECT uri, root, media_type, size_bytes, mtime_ns, content_hash, $run_id, now()
FROM planned WHERE action <> 'deleted'
ON CONFLICT (uri) DO UPDATE SET
    root = excluded.root, media_type = excluded.media_type, size_bytes = excluded.size_bytes,
    mtime_ns = excluded.mtime_ns, content_hash = excluded.content_hash,
    run_id = excluded.run_id, indexed_at = excluded.indexed_at
"""

# The old uri stays where something is there again: in this plan, or from another run since.
_DROP_RENAMED = """
DELETE FROM source
WHERE EXISTS (
    SELECT 1 FROM planned p
    WHERE p.action = 'renamed' AND p.previous_uri = source.uri
    AND p.content_hash IS NOT DISTINCT FROM source.content_hash)
AND uri NOT IN (SELECT uri FROM planned WHERE action <> 'deleted')
"""

_DROP_DELETED = """
DELETE FROM source WHERE uri IN (SELECT uri FROM planned WHERE action = 'deleted')
"""

_ADD_CHUNKS = """
INSERT INTO chunk (content_hash, chunker, kind, ordinal, meta, run_id, modality, parent, section,
    text)
SELECT DISTINCT ON (content_hash, chunker, ordinal)
    content_hash, chunker, kind, ordinal, meta, $run_id, modality, parent, section, text
FROM cut e
WHERE reason IS NULL AND NOT EXISTS (
    SELECT 1 FROM chunk c
    WHERE c.content_hash = e.content_hash AND c.chunker = e.chunker AND c.ordinal = e.ordinal)
ORDER BY content_hash, chunker, ordinal, uri
"""

_ADD_VECTORS = """
INSERT INTO {vectors} (chunk_id, run_id, v, hub)
SELECT DISTINCT ON (c.chunk_id) c.chunk_id, $run_id, e.vector, e.hub
FROM fresh e JOIN chunk c
    ON c.content_hash = e.content_hash AND c.chunker = e.chunker AND c.ordinal = e.ordinal
WHERE NOT EXISTS (SELECT 1 FROM {vectors} v WHERE v.chunk_id = c.chunk_id)
"""

# A shard brings all chunks of its content: vectors that an earlier chunker left are out of date.
_FIND_STALE = """
CREATE OR REPLACE TEMP TABLE stale AS
SELECT c.chunk_id FROM chunk c
WHERE c.content_hash IN (SELECT content_hash FROM cut WHERE reason IS NULL)
AND NOT EXISTS (
    SELECT 1 FROM cut e
    WHERE e.content_hash = c.content_hash AND e.chunker = c.chunker
    AND e.ordinal = c.ordinal AND e.reason IS NULL)
"""
_STALE = "chunk_id IN (SELECT chunk_id FROM stale)"

_ORPHANS = "chunk_id IN (SELECT chunk_id FROM orphan)"
_FIND_ORPHANS = """
CREATE OR REPLACE TEMP TABLE orphan AS
SELECT chunk_id FROM chunk c
WHERE NOT EXISTS (SELECT 1 FROM source s WHERE s.content_hash = c.content_hash) {or_unused}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCommit:
    """Hold one shard's work: what was planned and what came of it."""

    run_id: str
    lineup: Lineup
    """Registered."""
    planned: pa.Table
    """Rows of PLAN_SCHEMA."""
    cut: pa.Table
    """Rows of CHUNK_SCHEMA: every chunk of the planned sources, and what was refused."""
    vectors: Mapping[VectorList, pa.Table]
    """Rows of vector_schema(dim) for each list: every chunk is in its modality's."""
    hubs: Mapping[VectorList, np.ndarray] = field(default_factory=dict)
    """Hub terms of these vectors, (n,) float32; a list that has none gets them later."""
    words: pa.Table | None = None
    """The words of ``cut`` where they were counted before (see ``words.postings``)."""
    spans: Sequence[Span] = ()


def commit_shard(con: duckdb.DuckDBPyConnection, shard: ShardCommit) -> None:
    """Write a shard's sources, chunks, vectors, quarantine rows and times.

    The model versions must be registered, the vectors finite, normalised and of their dim.
    """
    tables = {vectors: _table(vectors) for vectors in shard.lineup.all_lists}
    words = postings.words_of_cut(shard.cut) if shard.words is None else shard.words
    run_id = {"run_id": shard.run_id}
    with (
        noted(con, shard.run_id) as undo,
        registered(con, planned=shard.planned, cut=shard.cut),
    ):
        undo.sources()
        con.execute(_PUT_SOURCES, run_id)
        con.execute(_DROP_RENAMED)
        _put_names(con, shard.planned)
        con.execute(_ADD_CHUNKS, run_id)
        for vectors, fresh in shard.vectors.items():
            with registered(con, fresh=_with_hubs(fresh, shard.hubs.get(vectors))):
                con.execute(_ADD_VECTORS.format(vectors=tables[vectors]), run_id)
        _drop_stale(con, undo, list(tables.values()))
        refusals.settle_shard(con, shard.run_id, shard.lineup)
    postings.put_shard_words(con, shard.cut, words)
    write_spans(con, shard.run_id, shard.spans)


def apply_plan(
    con: duckdb.DuckDBPyConnection, plan: pa.Table, run_id: str, lineup: Lineup | None
) -> None:
    """Write the rows of the plan that need no embedding, then collect orphans.

    Call it after the plan's last shard: content that an earlier shard left without a source may be
    the very content of a duplicate or a renamed source in here. ``lineup`` says whose vectors
    count; None where there are none yet.
    """
    settled = plan.filter(pc.invert(plan["embed"]))
    with noted(con, run_id) as undo, registered(con, planned=settled):
        undo.sources()
        con.execute(_PUT_SOURCES, {"run_id": run_id})
        con.execute(_DROP_RENAMED)
        con.execute(_DROP_DELETED)
        _put_names(con, settled)
        refusals.settle_plan(con, run_id, lineup)
        collect_orphans(con, undo)


def collect_orphans(con: duckdb.DuckDBPyConnection, undo: Undo) -> int:
    """Delete chunks that no source or no vector needs, with their vectors under every version.

    Returns the number of chunks, which ``undo`` notes.
    """
    tables = [table_of(vectors) for v in all_versions(con) for vectors in vector_lists(v)]
    used = " UNION ALL ".join(f"SELECT chunk_id FROM {table}" for table in tables)
    or_unused = f"OR c.chunk_id NOT IN ({used})" if tables else ""
    con.execute(_FIND_ORPHANS.format(or_unused=or_unused))
    num_orphans = one_number(con, "SELECT count(*) FROM orphan")
    if num_orphans:
        drop_chunks(con, undo, tables)
        follow_places(con)
    con.execute("DROP TABLE orphan")
    return num_orphans


def drop_chunks(con: duckdb.DuckDBPyConnection, undo: Undo, tables: Sequence[str]) -> None:
    """Delete the chunks of the table ``orphan``, with their words and their vectors in lists."""
    undo.chunks(_ORPHANS)
    for table in tables:
        undo.vectors(table, _ORPHANS)
    for table in (*tables, "chunk"):
        con.execute(f"DELETE FROM {table} WHERE {_ORPHANS}")
    postings.drop_orphans(con)


def quarantine(
    con: duckdb.DuckDBPyConnection,
    run_id: str,
    rejected: list[Rejected],
    model_version_id: int | None,
) -> None:
    """Write the quarantine rows of what discovery or planning refused."""
    refusals.add_rejected(con, run_id, rejected, model_version_id)


def write_spans(con: duckdb.DuckDBPyConnection, run_id: str, spans: Sequence[Span]) -> None:
    """Add a run's times."""
    if not spans:
        return
    rows = [{"run_id": run_id, **asdict(span)} for span in spans]
    with registered(con, timed=pa.Table.from_pylist(rows, schema=_SPAN_SCHEMA)):
        con.execute("INSERT INTO span SELECT * FROM timed")


def _drop_stale(con: duckdb.DuckDBPyConnection, undo: Undo, tables: Sequence[str]) -> None:
    con.execute(_FIND_STALE)
    if one_number(con, "SELECT count(*) FROM stale"):
        for table in tables:
            undo.vectors(table, _STALE)
            con.execute(f"DELETE FROM {table} WHERE {_STALE}")
    con.execute("DROP TABLE stale")


def _put_names(con: duckdb.DuckDBPyConnection, planned: pa.Table) -> None:
    """Write the words of the names of what is planned, and drop those of names that are gone."""
    there = planned.filter(pc.not_equal(planned["action"], "deleted"))
    postings.put_names(con, there["uri"].to_pylist())
    if there.num_rows < planned.num_rows or planned["previous_uri"].null_count < planned.num_rows:
        postings.drop_names(con)
        drop_gone(con)


def _with_hubs(fresh: pa.Table, hubs: np.ndarray | None) -> pa.Table:
    column = pa.nulls(fresh.num_rows, pa.float32()) if hubs is None else pa.array(hubs)
    return fresh.append_column("hub", column)


def _table(vectors: VectorList) -> str:
    if vectors.version.id is None:
        raise ValueError(f"model version {vectors.version.label} is not registered")
    return table_of(vectors)
