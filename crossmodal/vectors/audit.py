"""Measure the recall of search by codes against exact search, on the stored vectors.

Queries are synthetic: stored vectors moved towards others, and half of them moved out of the common
cone too, because text vectors lie apart from the image vectors that they search (the modality gap).
"""

from __future__ import annotations

import time
from dataclasses import replace

import duckdb
import numpy as np

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write.ann_generations import Audit, Valid, drop_codes, put_audit, valid_codes
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList
from crossmodal.vectors.ann.cache import CodesFolder, NotReady, Ready
from crossmodal.vectors.ann.files import CodesDamaged
from crossmodal.vectors.ann.generation import folder_of, open_codes
from crossmodal.vectors.ann.reading import vector_blocks
from crossmodal.vectors.ann.scan import EFFORTS
from crossmodal.vectors.ann.update import update_codes
from crossmodal.vectors.nearest import by_codes
from crossmodal.vectors.nearest_many import search_many

TARGET = 0.99
_SEED = 20_261_124
# With these, recall equals that for real captions of photos (benchmarks/search_real).
_TOWARDS_OTHERS = 0.8
_OUT_OF_THE_CONE = 0.5
_TIE = 1e-6


def audit_list(
    collection: Collection,
    vectors: VectorList,
    *,
    num_queries: int = 100,
    k: int = 10,
    target: float = TARGET,
    max_change: float = 0.0,
) -> Audit | NotReady:
    """Measure the recall of a list's codes, store it, and return it.

    Searches then use the cheapest effort that reaches the target; if none does, they are exact. A
    passed audit is not repeated while at most ``max_change``, a share of the vectors, was added or
    deleted since. Damaged codes are dropped.

    Raises:
        CollectionBusy, CollectionMissing
    """
    folder = CodesFolder(collection.path)
    with collection.read() as con:
        valid = valid_codes(con, vectors)
        last = valid.audit if valid else None
        if last and last.passed and _change(con, vectors, last) <= max_change:
            return last
        try:
            audited = _audited(con, collection, vectors, folder, valid, num_queries, k, target)
        except CodesDamaged as error:
            damage = f"{error}: the next run builds the codes again"
            audited = NotReady(damage)
        else:
            damage = ""
    if damage or isinstance(audited, Audit):
        with collection.write() as con:
            if valid and isinstance(audited, Audit):
                put_audit(con, vectors, valid.basis, audited)
            else:
                drop_codes(con, vectors)
    return audited


def keep_codes(collection: Collection, vectors: VectorList) -> int:
    """Update a list's codes and audit them; return the number of vectors that the audit covers.

    Raises:
        CollectionBusy, CollectionMissing
    """
    if update_codes(collection, vectors).action == "none":
        return 0
    measured = audit_list(collection, vectors)
    return measured.num_vectors if isinstance(measured, Audit) else 0


def audit(
    con: duckdb.DuckDBPyConnection,
    vectors: VectorList,
    ready: Ready,
    *,
    num_queries: int = 100,
    k: int = 10,
    target: float = TARGET,
) -> Audit:
    """Measure recall at rising effort until the target is reached."""
    started = time.perf_counter()
    queries = sample_queries(con, vectors, num_queries)
    exact = search_many(con, vectors, queries, k).scores
    recall, level = 0.0, -1
    while recall < target and level + 1 < len(EFFORTS):
        level += 1
        recall = _recall(con, vectors, queries, exact, replace(ready, effort=EFFORTS[level]))
    return Audit(
        recall=recall,
        target=target,
        effort=level,
        covered_seq=ready.covered_seq,
        num_vectors=ready.codes.manifest.num_live + ready.num_newer,
        num_queries=len(queries),
        k=k,
        wall_s=time.perf_counter() - started,
    )


def sample_queries(
    con: duckdb.DuckDBPyConnection, vectors: VectorList, num: int, seed: int = _SEED
) -> np.ndarray:
    """Return (num, dim) float32 unit vectors that resemble real queries."""
    rng = np.random.default_rng(seed)
    ids = con.execute(f"SELECT chunk_id FROM {table_of(vectors)} ORDER BY 1").fetchnumpy()
    drawn = rng.choice(np.asarray(ids["chunk_id"], np.int64), 3 * num)
    which = {"ids": np.unique(drawn)}
    condition = "chunk_id IN (SELECT unnest($ids::BIGINT[]))"
    found = list(vector_blocks(con, vectors, condition, which))
    chunk_ids = np.concatenate([ids for ids, _ in found])
    order = np.argsort(chunk_ids)
    stored = np.concatenate([block for _, block in found])[order]
    return made_queries(stored[np.searchsorted(chunk_ids[order], drawn)], stored.mean(axis=0))


def made_queries(drawn: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Return (n, dim) float32 unit vectors, made of three vectors each: ``drawn`` is (3 n, dim)."""
    start, plus, minus = np.split(drawn, 3)
    queries = start + _TOWARDS_OTHERS * (plus - minus)
    queries[::2] -= _OUT_OF_THE_CONE * mean
    length = np.linalg.norm(queries, axis=1, keepdims=True)
    return np.asarray(np.divide(queries, length, out=start.copy(), where=length > 0))


def _audited(
    con: duckdb.DuckDBPyConnection,
    collection: Collection,
    vectors: VectorList,
    folder: CodesFolder,
    valid: Valid | None,
    num_queries: int,
    k: int,
    target: float,
) -> Audit | NotReady:
    if valid is not None:
        open_codes(folder_of(collection.path, vectors), valid.token, vectors, thorough=True)
    ready = folder.agreeing(con, vectors, valid)
    if isinstance(ready, NotReady):
        return ready
    return audit(con, vectors, ready, num_queries=num_queries, k=k, target=target)


def _recall(
    con: duckdb.DuckDBPyConnection,
    vectors: VectorList,
    queries: np.ndarray,
    exact: np.ndarray,
    ready: Ready,
) -> float:
    """Return the share of exact answers found; ties count as found."""
    k, num_found = exact.shape[1], 0
    for query, wanted in zip(queries, exact, strict=True):
        found = by_codes(con, vectors, query, k, ready)
        worst = wanted[np.isfinite(wanted)].min(initial=np.inf)
        # If the codes cannot decide, a search is exact.
        num_found += k if found is None else int((found.scores >= worst - _TIE).sum())
    return num_found / max(1, int(np.isfinite(exact).sum()))


def _change(con: duckdb.DuckDBPyConnection, vectors: VectorList, last: Audit) -> float:
    """Return a lower bound of the share of vectors added or deleted since an audit."""
    table = table_of(vectors)
    counts = f"SELECT count(*), count(*) FILTER (seq > ?) FROM {table}"
    num_all, num_newer = con.execute(counts, [last.covered_seq]).fetchall()[0]
    num_gone = last.num_vectors - (num_all - num_newer)
    return float((num_newer + max(0, num_gone)) / max(1, num_all))
