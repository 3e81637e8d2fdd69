"""Read many vectors of a list at once: those of named chunks, or a sample that stays the same.

What they are for is the caller's business. Rows without a chunk or a source may be among a sample:
they are few, and between a shard and the end of its run only.
"""

from __future__ import annotations

from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList

_SEED = 7

_NAMED = """
SELECT chunk_id, v FROM {table} WHERE chunk_id IN (SELECT unnest($ids::BIGINT[])) ORDER BY chunk_id
"""


class Vectors(NamedTuple):
    """Hold vectors of a list, in the order of their chunk ids."""

    chunk_ids: npt.NDArray[np.int64]
    """(n,)."""
    matrix: npt.NDArray[np.float32]
    """(n, dim), L2-normalised."""


def chunk_ids_of(con: duckdb.DuckDBPyConnection, held: VectorList) -> npt.NDArray[np.int64]:
    """Return (n,) int64: the chunks of a list, in the order of their ids."""
    rows = con.execute(f"SELECT chunk_id FROM {table_of(held)} ORDER BY chunk_id").fetchnumpy()
    return np.asarray(rows["chunk_id"], np.int64)


def vectors_of_chunks(
    con: duckdb.DuckDBPyConnection, held: VectorList, chunk_ids: npt.NDArray[np.int64]
) -> Vectors:
    """Return the vectors of those of the chunks that the list holds."""
    bound = {"ids": np.unique(chunk_ids).tolist()}
    sql = _NAMED.format(table=table_of(held))
    table = con.sql(sql, params=bound).to_arrow_table()
    flat = table["v"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
    matrix = np.asarray(flat, np.float32).reshape(-1, held.version.dim)
    return Vectors(np.asarray(table["chunk_id"].to_numpy(), np.int64), matrix)


def sampled_vectors(
    con: duckdb.DuckDBPyConnection,
    held: VectorList,
    num: int,
    among: npt.NDArray[np.int64] | None = None,
) -> Vectors:
    """Return ``num`` vectors drawn without favour, or all where there are no more.

    The same rows give the same sample. ``among`` are the only chunk ids that count.
    """
    ids = chunk_ids_of(con, held)
    if among is not None:
        ids = ids[np.isin(ids, among)]
    if len(ids) > num:
        ids = np.random.default_rng(_SEED).choice(ids, num, replace=False)
    return vectors_of_chunks(con, held, ids)
