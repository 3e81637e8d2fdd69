"""Find the chunks nearest to a query vector: exact, filtered before the top k, stable.

Owns the one statement that reads vectors for a query. Exact means that every vector of the list is
compared; with filters only those that pass. What to search for, and in which lists, is the caller's
business.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import numpy as np

from tasks.errors import ModelMismatch
from tasks.records import Hit, VectorList
from tasks.storage.filters import Where
from tasks.storage.models import all_versions, table_of
from tasks.storage.tables import one_number

# Vectors without a source, as between a shard and the end of its run, are passed over: few.
_SLACK = 100

_SEARCH = """
WITH top AS MATERIALIZED (
    SELECT chunk_id, array_inner_product(v, $query::FLOAT[{dim}]) AS score
    FROM {vectors} {allowed}
    ORDER BY score DESC, chunk_id LIMIT $depth
),
hit AS MATERIALIZED (
    SELECT t.score, c.*
    FROM top t JOIN chunk c ON c.chunk_id = t.chunk_id
),
copies AS (
    SELECT content_hash, count(*) AS num_copies
    FROM source WHERE content_hash IN (SELECT content_hash FROM hit) GROUP BY content_hash
),
shown AS (
    SELECT content_hash, min(uri) AS uri
    FROM source WHERE {condition} AND content_hash IN (SELECT content_hash FROM hit)
    GROUP BY content_hash
)
SELECT h.score, s.uri, h.chunk_id, h.kind, h.ordinal, h.modality,
    coalesce(s.media_type, '') AS media_type, s.size_bytes, s.mtime_ns, n.num_copies, h.text,
    h.section, h.parent, h.meta
FROM hit h
JOIN copies n ON n.content_hash = h.content_hash
JOIN shown f ON f.content_hash = h.content_hash
JOIN source s ON s.uri = f.uri
ORDER BY h.score DESC, h.chunk_id LIMIT $k OFFSET $offset
"""

_COLUMNS = (
    "score",
    "uri",
    "chunk_id",
    "kind",
    "ordinal",
    "modality",
    "media_type",
    "size_bytes",
    "mtime_ns",
    "num_copies",
    "text",
    "section",
    "parent",
    "meta",
)

_ALLOWED = """
WHERE chunk_id IN (
    SELECT c.chunk_id FROM chunk c
    SEMI JOIN (SELECT content_hash FROM source WHERE {condition}) s
    ON s.content_hash = c.content_hash)
"""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """Say what to look for."""

    vectors: VectorList
    query: np.ndarray
    """(dim,) float32, L2-normalised, encoded by the version of ``vectors``."""
    k: int = 10
    offset: int = 0
    where: Where | None = None


def search(con: duckdb.DuckDBPyConnection, request: SearchRequest) -> list[Hit]:
    """Return up to ``k`` hits, best first; equal scores in the order of their chunk ids.

    One hit a chunk: of the sources that hold it and pass the filter, the first by uri is named.

    Raises:
        ModelMismatch: the query is not of the model version's dim, or the version is unknown here.
    """
    num_vectors = _check(con, request)
    end = request.offset + request.k
    if request.where in (None, Where()):
        # Sieving a million ids costs more than to score as many vectors, and is rarely needed.
        hits = _nearest(con, request, end + _SLACK, sieve="")
        if len(hits) == request.k or num_vectors <= end + _SLACK:
            return hits
    return _nearest(con, request, end, sieve=_ALLOWED)


def _check(con: duckdb.DuckDBPyConnection, request: SearchRequest) -> int:
    """Refuse what cannot be answered; return how many vectors the list has."""
    known = all_versions(con)
    labels = ", ".join(version.label for version in known) or "none"
    model = request.vectors.version
    if model.id not in [version.id for version in known]:
        raise ModelMismatch(
            f"this collection has no model version {model.label}, only {labels}: "
            "index with that model first, or search with one of these"
        )
    if request.query.shape != (model.dim,):
        raise ModelMismatch(
            f"the query has shape {request.query.shape}, but the vectors of {model.label} have "
            f"{model.dim} dimensions: encode the query with that model"
        )
    return one_number(con, f"SELECT count(*) FROM {table_of(request.vectors)}")


def _nearest(
    con: duckdb.DuckDBPyConnection, request: SearchRequest, depth: int, sieve: str
) -> list[Hit]:
    """Return the hits among the ``depth`` nearest of the vectors that the sieve lets through."""
    where = request.where or Where()
    statement = _SEARCH.format(
        dim=int(request.vectors.version.dim),
        vectors=table_of(request.vectors),
        allowed=sieve.format(condition=where.sql),
        condition=where.sql,
    )
    params = {
        "query": np.ascontiguousarray(request.query, dtype=np.float32),
        "depth": depth,
        "k": request.k,
        "offset": request.offset,
        **where.params,
    }
    rows = con.execute(statement, params).fetchall()
    return [_hit(request.offset + i, row) for i, row in enumerate(rows, start=1)]


def _hit(rank: int, row: tuple[Any, ...]) -> Hit:
    cells = dict(zip(_COLUMNS, row, strict=True))
    mtime_ns = cells.pop("mtime_ns")
    return Hit(
        rank=rank,
        # A product of rounded unit vectors may be a little more than 1.
        score=max(-1.0, min(1.0, cells.pop("score"))),
        modified=datetime.fromtimestamp(mtime_ns / 1e9, UTC) if mtime_ns else None,
        meta=json.loads(cells.pop("meta")),
        **cells,
    )
