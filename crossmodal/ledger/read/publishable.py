"""Say which rows of a model version a store should hold, and read them.

Owns what goes into a row and into its digest, which changes whenever the row does: the sources that
hold the chunk, when they were changed, what a user's own columns say of them, and the vector by its
number and its run. Words and positions are not in it: a chunk's never change. Invariant: a chunk
that moderation hides, or that no source holds, is not among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crossmodal.ledger.read.hidden import hidden_chunks
from crossmodal.ledger.sql import one_number, registered
from crossmodal.ledger.write.model_versions import table_of, vector_lists
from crossmodal.records import ModelVersion

Ids = npt.NDArray[np.int64]

_HELD = "SELECT chunk_id, seq, run_id, '{modality}' AS modality{vector} FROM {table}{only}"
_ASKED = "chunk_id IN (SELECT chunk_id FROM asked)"
_ALL_SOURCES = "content_hash IS NOT NULL"
_ASKED_SOURCES = f"content_hash IN (SELECT content_hash FROM chunk WHERE {_ASKED})"
# Half of an MD5 fits a number, means the same to every DuckDB, and no two of a billion collide.
_DIGEST = """
(md5_number_lower(concat_ws('|', h.seq, h.run_id, c.content_hash, c.run_id, p.told, l.told)) >> 1
)::BIGINT
"""
_WANTED = f"""
WITH held AS ({{held}}),
place AS (
    SELECT content_hash, list(uri ORDER BY uri) AS uris,
        coalesce(arg_min(media_type, uri), '') AS media_type,
        arg_min(size_bytes, uri) AS size_bytes, arg_min(mtime_ns, uri) AS mtime_ns,
        md5(string_agg(concat_ws(chr(10), uri, media_type, mtime_ns), chr(10) ORDER BY uri)) AS told
    FROM source WHERE {{of_source}} GROUP BY content_hash),
label AS (
    SELECT content_hash, list(said ORDER BY said) AS labels,
        md5(string_agg(said, chr(10) ORDER BY said)) AS told
    FROM (SELECT DISTINCT s.content_hash, o.name || '=' || o.value AS said
        FROM own_column o JOIN source s USING (uri) WHERE {{of_source}}) GROUP BY content_hash)
SELECT h.chunk_id, {_DIGEST} AS digest{{columns}}
FROM held h JOIN chunk c USING (chunk_id) JOIN place p USING (content_hash)
LEFT JOIN label l USING (content_hash)
WHERE h.chunk_id NOT IN (SELECT chunk_id FROM hidden)
"""
_COLUMNS = """,
    p.uris[1] AS uri, p.uris, p.media_type, p.size_bytes, p.mtime_ns, h.modality, c.kind,
    c.ordinal, c.section, c.meta, c.text, coalesce(l.labels, []) AS labels,
    (SELECT max(k.language) FROM worded_chunk k WHERE k.chunk_id = h.chunk_id) AS language,
    h.v AS vector
"""
_CHANGES = """
WITH wanted AS ({wanted}),
there AS (SELECT chunk_id, digest FROM published_chunk
    WHERE store_id = $store AND model_version_id = $version)
SELECT coalesce(w.chunk_id, t.chunk_id) AS chunk_id, t.chunk_id IS NULL AS is_new,
    w.chunk_id IS NULL AS is_gone
FROM wanted w FULL JOIN there t ON t.chunk_id = w.chunk_id
WHERE w.digest IS DISTINCT FROM t.digest ORDER BY 1
"""
_VECTORS = "SELECT chunk_id, v FROM ({held}) ORDER BY chunk_id"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Name the chunks in which a store differs from what it should hold, ascending."""

    new: Ids
    changed: Ids
    gone: Ids

    @property
    def put(self) -> Ids:
        """Return what has to be sent."""
        return np.sort(np.concatenate([self.new, self.changed]))

    def __bool__(self) -> bool:
        return bool(len(self.new) or len(self.changed) or len(self.gone))


def changes(con: duckdb.DuckDBPyConnection, store_id: int, version: ModelVersion) -> Changes:
    """Return what has changed in a version since it was published to a store."""
    sql = _CHANGES.format(
        wanted=_WANTED.format(held=_held(version), columns="", of_source=_ALL_SOURCES)
    )
    with registered(con, hidden=_hidden(con)):
        found = con.sql(sql, params={"store": store_id, "version": version.id}).to_arrow_table()
    ids, is_new, is_gone = (found[name].to_numpy() for name in ("chunk_id", "is_new", "is_gone"))
    return Changes(
        new=ids[is_new & ~is_gone], changed=ids[~is_new & ~is_gone], gone=ids[is_gone & ~is_new]
    )


def publishable_rows(
    con: duckdb.DuckDBPyConnection, version: ModelVersion, chunk_ids: Ids
) -> pa.Table:
    """Return the rows of chunks, by id; those that should not be published are left out.

    ``vector`` is (dim,) float32, L2-normalised; ``meta`` a JSON object; ``mtime_ns`` 0 where the
    source's store did not tell; ``labels`` what own columns say, as ``name=value``.
    """
    asks = {"held": _held(version, ", v", f" WHERE {_ASKED}"), "of_source": _ASKED_SOURCES}
    sql = _WANTED.format(columns=_COLUMNS, **asks) + " ORDER BY 1"
    asked = pa.table({"chunk_id": chunk_ids})
    with registered(con, hidden=_hidden(con), asked=asked):
        return con.sql(sql).to_arrow_table()


def vectors_of(
    con: duckdb.DuckDBPyConnection, version: ModelVersion, chunk_ids: Ids
) -> dict[int, npt.NDArray[np.float32]]:
    """Return the (dim,) vectors of chunks under a version, by id; what it lacks is left out."""
    with registered(con, asked=pa.table({"chunk_id": chunk_ids})):
        rows = con.execute(
            _VECTORS.format(held=_held(version, ", v", f" WHERE {_ASKED}"))
        ).fetchall()
    return {chunk_id: np.asarray(v, dtype=np.float32) for chunk_id, v in rows}


def published(
    con: duckdb.DuckDBPyConnection, store_id: int, model_version_id: int, num_sampled: int
) -> tuple[int, Ids]:
    """Return how many chunks of a version a store holds, and the ids of some, drawn at random."""
    here = "FROM published_chunk WHERE store_id = $store AND model_version_id = $version"
    named = {"store": store_id, "version": model_version_id}
    drawn = con.execute(
        f"SELECT chunk_id FROM (SELECT chunk_id {here}) USING SAMPLE {num_sampled} ROWS", named
    ).fetchall()
    ids = np.array([row[0] for row in drawn], dtype=np.int64)
    return one_number(con, f"SELECT count(*) {here}", named), ids


def watermark(con: duckdb.DuckDBPyConnection, versions: list[ModelVersion]) -> int:
    """Return the highest number of a vector under any of these versions; 0 where there is none."""
    tables = [table_of(held) for version in versions for held in vector_lists(version)]
    counted = [f"SELECT coalesce(max(seq), 0) FROM {table}" for table in tables]
    return max((one_number(con, sql) for sql in counted), default=0)


def _held(version: ModelVersion, vector: str = "", only: str = "") -> str:
    parts = {"vector": vector, "only": only}
    return " UNION ALL ".join(
        _HELD.format(modality=held.modality, table=table_of(held), **parts)
        for held in vector_lists(version)
    )


def _hidden(con: duckdb.DuckDBPyConnection) -> pa.Table:
    return pa.table({"chunk_id": pa.array(hidden_chunks(con), pa.int64())})
