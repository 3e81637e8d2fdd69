"""Find the chunk ids nearest to each of many queries, in one pass over vectors or codes."""

from __future__ import annotations

from typing import NamedTuple

import duckdb
import numpy as np
import pyarrow as pa

from crossmodal.ledger.sql import registered
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList
from crossmodal.vectors.ann.cache import CodesFolder, Ready
from crossmodal.vectors.ann.reading import vector_blocks
from crossmodal.vectors.ann.scan_many import Best, candidates_of_many
from crossmodal.vectors.search import check_query

_TURN_QUERIES = 1024
# Extra candidates: some score higher after rescoring, some are deleted.
_MARGIN = 16
_MAX_GONE = 500

_SCORE = """
SELECT p.query, p.chunk_id, array_inner_product(v.v, q.v::FLOAT[{dim}]) AS score
FROM pair p
JOIN {vectors} v ON v.chunk_id = p.chunk_id
JOIN asked q ON q.query = p.query
ORDER BY p.query, score DESC, p.chunk_id
"""


class Neighbours(NamedTuple):
    """Hold the nearest chunks of each of n queries, best first."""

    chunk_ids: np.ndarray
    """(n, k) int64; -1 if a list has fewer than k vectors."""
    scores: np.ndarray
    """(n, k) float32, cosines; -inf beside a -1."""


def search_many(
    con: duckdb.DuckDBPyConnection,
    vectors: VectorList,
    queries: np.ndarray,
    k: int = 10,
    codes: CodesFolder | None = None,
) -> Neighbours:
    """Return the ``k`` nearest chunks of each of (n, dim) float32 unit vectors.

    With valid codes only candidates are compared, with ``codes`` None all vectors. Memory is
    bounded for any number of queries. Which of many vectors with the same score as the k-th are
    returned is not defined.

    Raises:
        ModelMismatch: the queries are not of the model version's dim, or it is unknown here.
    """
    queries = np.ascontiguousarray(queries, dtype=np.float32)
    check_query(con, vectors, queries)
    ready = codes.ready(con, vectors) if codes else None
    use = ready if isinstance(ready, Ready) else None
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    # Many small products: on a busy machine BLAS threads mostly wait for the slowest one.
    with threadpool_limits(1, "blas"):
        turns = [
            _turn(con, vectors, queries[start : start + _TURN_QUERIES], k, use)
            for start in range(0, len(queries), _TURN_QUERIES)
        ]
    if not turns:
        return Neighbours(np.zeros((0, k), np.int64), np.zeros((0, k), np.float32))
    return Neighbours(*(np.concatenate(parts) for parts in zip(*turns, strict=True)))


def _turn(
    con: duckdb.DuckDBPyConnection,
    vectors: VectorList,
    queries: np.ndarray,
    k: int,
    ready: Ready | None,
) -> Neighbours:
    num_gone = min(ready.num_gone, _MAX_GONE) if ready else 0
    best = Best(len(queries), k + _MARGIN + num_gone)
    if ready:
        candidates_of_many(ready.codes, queries, ready.effort, best)
        _drop_replaced(con, vectors, ready, best)
    every = np.arange(len(queries))
    after = {"covered": ready.covered_seq if ready else -1}
    if ready is None or ready.num_newer:
        for chunk_ids, block in vector_blocks(con, vectors, "seq > $covered", after):
            best.add(every, chunk_ids, queries @ block.T)
    return _scored(con, vectors, queries, k, best)


def _drop_replaced(
    con: duckdb.DuckDBPyConnection, vectors: VectorList, ready: Ready, best: Best
) -> None:
    """Drop candidates whose vector was rewritten since: they are among the newer ones."""
    if not ready.num_newer:
        return
    rows = con.execute(
        f"SELECT chunk_id FROM {table_of(vectors)} WHERE seq > ?", [ready.covered_seq]
    ).fetchnumpy()
    replaced = np.isin(best.ids, np.asarray(rows["chunk_id"], np.int64))
    best.ids[replaced] = -1
    best.scores[replaced] = -np.inf


def _scored(
    con: duckdb.DuckDBPyConnection,
    vectors: VectorList,
    queries: np.ndarray,
    k: int,
    best: Best,
) -> Neighbours:
    """Score the candidates by the stored vectors, and sort them."""
    asking, place = np.nonzero(best.ids >= 0)
    pairs = pa.table({"query": asking, "chunk_id": best.ids[asking, place]})
    flat = pa.FixedSizeListArray.from_arrays(pa.array(queries.reshape(-1)), queries.shape[1])
    asked = pa.table({"query": np.arange(len(queries)), "v": flat})
    statement = _SCORE.format(dim=int(vectors.version.dim), vectors=table_of(vectors))
    with registered(con, pair=pairs, asked=asked):
        rows = con.execute(statement).fetchnumpy()
    query = np.asarray(rows["query"], np.int64)
    rank = np.arange(len(query)) - np.searchsorted(query, query)
    kept = rank < k
    found = Neighbours(
        np.full((len(queries), k), -1, np.int64),
        np.full((len(queries), k), -np.inf, np.float32),
    )
    found.chunk_ids[query[kept], rank[kept]] = rows["chunk_id"][kept]
    found.scores[query[kept], rank[kept]] = rows["score"][kept]
    return found
