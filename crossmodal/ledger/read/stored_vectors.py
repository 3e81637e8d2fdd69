"""Ask about single vectors of a list: what one is, and where it stands beside a query."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt

from crossmodal.ledger.read.hits import cosine
from crossmodal.ledger.sql import first_row, one_number
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList

MAX_RANKED = 200_000
"""To rank a chunk is to compare its whole list; in longer lists that is not worth the wait."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Say how near a chunk is to a query in one list."""

    score: float
    """Cosine similarity, -1 to 1."""
    rank: int | None
    """From 1, among all vectors of the list; None in very long lists."""
    num_vectors: int


def num_vectors(con: duckdb.DuckDBPyConnection, held: VectorList) -> int:
    """Return how many vectors a list has."""
    return one_number(con, f"SELECT count(*) FROM {table_of(held)}")


def vector_of(
    con: duckdb.DuckDBPyConnection, held: VectorList, chunk_id: int
) -> npt.NDArray[np.float32] | None:
    """Return a chunk's (dim,) unit vector; None where the list has none of it."""
    row = first_row(con, f"SELECT v FROM {table_of(held)} WHERE chunk_id = ?", [chunk_id])
    return np.asarray(row[0], dtype=np.float32) if row else None


def standing(
    con: duckdb.DuckDBPyConnection,
    held: VectorList,
    chunk_id: int,
    query: npt.NDArray[np.float32],
    max_ranked: int = MAX_RANKED,
) -> Standing | None:
    """Return how near a chunk is to a (dim,) unit vector; None where the list does not hold it."""
    table, similarity = table_of(held), f"array_inner_product(v, $query::FLOAT[{len(query)}])"
    bound = {"query": np.ascontiguousarray(query, dtype=np.float32)}
    one = f"SELECT {similarity} FROM {table} WHERE chunk_id = $chunk_id"
    row = first_row(con, one, bound | {"chunk_id": chunk_id})
    if row is None:
        return None
    num = num_vectors(con, held)
    rank = None
    if num <= max_ranked:
        nearer = f"SELECT count(*) FROM {table} WHERE {similarity} > $score"
        rank = 1 + one_number(con, nearer, bound | {"score": row[0]})
    return Standing(cosine(float(row[0])), rank, num)
