"""Find the chunk ids nearest to a query: exactly in SQL, or by codes.

Both return only vectors that the connection sees, ordered by score and then by id; scores by codes
equal those of the stored vectors to the precision of float32. Knows nothing of sources or hits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import duckdb
import numpy as np

from crossmodal.ledger.read.filters import Where
from crossmodal.ledger.sql import among
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList
from crossmodal.vectors.ann.cache import Ready
from crossmodal.vectors.ann.scan import Allowed, candidates

# Extra candidates, whose residuals may move them up.
_MARGIN = 16
_WIDENING = 4

_TOP = """
SELECT chunk_id, array_inner_product(v, $query::FLOAT[{dim}]) AS score
FROM {vectors} WHERE {which}
ORDER BY score DESC, chunk_id LIMIT $depth
"""

_SCORED = "WITH scored AS MATERIALIZED (SELECT chunk_id, {scores} FROM {vectors} WHERE {which})"


class Nearest(NamedTuple):
    """Hold the nearest vectors of a list, best first."""

    chunk_ids: np.ndarray
    """(n,) int64."""
    scores: np.ndarray
    """(n,) float32, cosines."""


def exact(
    con: duckdb.DuckDBPyConnection,
    vectors: VectorList,
    query: np.ndarray,
    depth: int,
    where: Where | None = None,
) -> Nearest:
    """Return the ``depth`` nearest of all vectors, or of those that pass ``where``."""
    which = where.of_chunk if where else "true"
    return _top(con, vectors, query, depth, which, where.bound(which) if where else {})


def exact_of_each(
    con: duckdb.DuckDBPyConnection,
    vectors: VectorList,
    queries: np.ndarray,
    depth: int,
    where: Where | None = None,
) -> np.ndarray:
    """Return (m,) int64: the ids of the ``depth`` nearest of each of (n, dim) queries, each once.

    One pass: the condition is evaluated once, and each vector is read once.
    """
    which, dim = where.of_chunk if where else "true", int(vectors.version.dim)
    each = range(len(queries))
    scores = ", ".join(f"array_inner_product(v, $query{i}::FLOAT[{dim}]) AS s{i}" for i in each)
    tops = " UNION ".join(
        f"(SELECT chunk_id FROM scored ORDER BY s{i} DESC, chunk_id LIMIT $depth)" for i in each
    )
    scored = _SCORED.format(scores=scores, vectors=table_of(vectors), which=which)
    bound: dict[str, Any] = {
        f"query{i}": np.ascontiguousarray(queries[i], np.float32) for i in each
    }
    bound |= {"depth": depth, **(where.bound(which) if where else {})}
    found = con.execute(f"{scored} {tops} ORDER BY chunk_id", bound).fetchnumpy()
    return np.asarray(found["chunk_id"], np.int64)


def by_codes(
    con: duckdb.DuckDBPyConnection,
    vectors: VectorList,
    query: np.ndarray,
    depth: int,
    ready: Ready,
    where: Where | None = None,
) -> Nearest | None:
    """Return the ``depth`` nearest of the vectors in the codes and of all newer ones.

    None if the codes cannot decide: more vectors score about as high as the last hit than there are
    candidates.

    Raises:
        CodesDamaged: the codes of a candidate are damaged.
    """
    allowed = _allowed(con, where) if where else None
    found = _covered(con, vectors, query, depth, ready, allowed)
    if found is None or not ready.num_newer:
        return found
    which = "seq > $covered"
    params: dict[str, Any] = {"covered": ready.covered_seq}
    if where:
        which += f" AND {where.of_chunk}"
        params |= where.bound(which)
    newer = _top(con, vectors, query, depth, which, params)
    ids = np.concatenate([found.chunk_ids, newer.chunk_ids])
    scores = np.concatenate([found.scores, newer.scores])
    order = np.lexsort((ids, -scores))[:depth]
    return Nearest(ids[order], scores[order])


def passing(con: duckdb.DuckDBPyConnection, where: Where) -> np.ndarray:
    """Return (n,) int64: the ids of the chunks that have a source that passes."""
    rows = con.execute(where.sieve, where.bound(where.sieve)).fetchnumpy()
    return np.asarray(rows["chunk_id"], np.int64)


def _allowed(con: duckdb.DuckDBPyConnection, where: Where) -> Allowed:
    if where.only_hides:
        return Allowed.all_but(np.array(where.without, np.int64))
    return Allowed.of(passing(con, where))


def _covered(
    con: duckdb.DuckDBPyConnection,
    vectors: VectorList,
    query: np.ndarray,
    depth: int,
    ready: Ready,
    allowed: Allowed | None,
) -> Nearest | None:
    """Rescore candidates, best first, until no further one can be among the nearest."""
    found = candidates(ready.codes, query, ready.effort, allowed)
    num_taken = depth + _MARGIN
    while True:
        ids, scores, ceiling = found.closest(num_taken)
        if ready.num_gone:
            there = _there(con, vectors, ids, ready.covered_seq)
            ids, scores = ids[there], scores[there]
        if np.isneginf(ceiling) or (len(ids) >= depth and ceiling < scores[depth - 1]):
            return Nearest(ids[:depth], scores[:depth])
        if num_taken >= len(found):
            return None
        num_taken *= _WIDENING


def _there(
    con: duckdb.DuckDBPyConnection, vectors: VectorList, chunk_ids: np.ndarray, covered_seq: int
) -> np.ndarray:
    """Return (n,) bool: whether each chunk's covered vector is still stored."""
    condition, bound = among(chunk_ids)
    rows = con.execute(
        f"SELECT chunk_id, seq FROM {table_of(vectors)} WHERE {condition}", bound
    ).fetchnumpy()
    covered = np.asarray(rows["chunk_id"], np.int64)[np.asarray(rows["seq"]) <= covered_seq]
    return np.isin(chunk_ids, covered)


def _top(
    con: duckdb.DuckDBPyConnection,
    vectors: VectorList,
    query: np.ndarray,
    depth: int,
    which: str,
    params: Mapping[str, Any],
) -> Nearest:
    """Return the ``depth`` nearest of the vectors that meet the condition ``which``."""
    statement = _TOP.format(dim=int(vectors.version.dim), vectors=table_of(vectors), which=which)
    bound = {"query": np.ascontiguousarray(query, np.float32), "depth": depth, **params}
    rows = con.execute(statement, bound).fetchnumpy()
    return Nearest(np.asarray(rows["chunk_id"], np.int64), np.asarray(rows["score"], np.float32))
