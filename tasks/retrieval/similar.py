"""Ask with a chunk's own vectors, and say how near a chunk is to a query; no model is loaded.

A stored vector is a query for every list of its space: a picture finds texts and the other way
round wherever one model version serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tasks.records import VectorList
from tasks.storage.models import table_of
from tasks.storage.tables import first_row, one_number

if TYPE_CHECKING:
    import duckdb

    from tasks.retrieval.lists import QueryVectors

_MAX_RANKED = 200_000
"""To rank a chunk is to compare its whole list; in longer lists that is not worth the wait."""


@dataclass(frozen=True, slots=True)
class Match:
    """Say how near a chunk is to a query in one list."""

    modality: str
    model: str
    """Label of the model version whose space it is."""
    score: float
    """Cosine similarity, -1 to 1."""
    rank: int | None
    """From 1, among all vectors of the list; None in very long lists."""
    num_vectors: int


def vectors_of(
    con: duckdb.DuckDBPyConnection, chunk_id: int, lists: Sequence[VectorList]
) -> QueryVectors:
    """Return the chunk's vectors as queries for every list that shares a space with one of them.

    Empty where the chunk has no vector in these lists.
    """
    spaces: dict[str, np.ndarray] = {}
    for found in lists:
        row = first_row(con, f"SELECT v FROM {table_of(found)} WHERE chunk_id = ?", [chunk_id])
        if row:
            spaces.setdefault(found.version.fingerprint, np.asarray(row[0], dtype=np.float32))
    return {
        found: spaces[found.version.fingerprint]
        for found in lists
        if found.version.fingerprint in spaces
    }


def matches(con: duckdb.DuckDBPyConnection, chunk_id: int, vectors: QueryVectors) -> list[Match]:
    """Return the chunk's score and rank in each list of the query that holds it, best first."""
    found = [_match(con, chunk_id, held, query) for held, query in vectors.items()]
    return sorted((match for match in found if match), key=lambda match: match.rank or 0)


def _match(
    con: duckdb.DuckDBPyConnection, chunk_id: int, held: VectorList, query: np.ndarray
) -> Match | None:
    table, similarity = table_of(held), f"array_inner_product(v, $query::FLOAT[{len(query)}])"
    params = {"query": np.ascontiguousarray(query, dtype=np.float32), "chunk_id": chunk_id}
    row = first_row(con, f"SELECT {similarity} FROM {table} WHERE chunk_id = $chunk_id", params)
    if row is None:
        return None
    num_vectors = one_number(con, f"SELECT count(*) FROM {table}")
    rank = None
    if num_vectors <= _MAX_RANKED:
        better = f"SELECT count(*) FROM {table} WHERE {similarity} > $score"
        bound = {"query": params["query"], "score": row[0]}
        rank = 1 + one_number(con, better, bound)
    score = max(-1.0, min(1.0, float(row[0])))
    return Match(held.modality, held.version.label, score, rank, num_vectors)
