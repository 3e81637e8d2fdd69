"""Ask with a chunk's own vectors, and say how near a chunk is to a query; no model is loaded.

A stored vector is a query for every list of its space: a picture finds texts and the other way
round wherever one model version serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmodal.ledger.read.stored_vectors import Standing, standing, vector_of
from crossmodal.records import VectorList

if TYPE_CHECKING:
    import duckdb
    import numpy as np

    from crossmodal.search.lists import QueryVectors


@dataclass(frozen=True, slots=True)
class Match:
    """Say how near a chunk is to a query in one list."""

    vectors: VectorList
    standing: Standing


def vectors_of(
    con: duckdb.DuckDBPyConnection, chunk_id: int, lists: Sequence[VectorList]
) -> QueryVectors:
    """Return the chunk's vectors as queries for every list that shares a space with one of them.

    Empty where the chunk has no vector in these lists.
    """
    spaces: dict[str, np.ndarray] = {}
    for found in lists:
        vector = vector_of(con, found, chunk_id)
        if vector is not None:
            spaces.setdefault(found.version.fingerprint, vector)
    return {
        found: spaces[found.version.fingerprint]
        for found in lists
        if found.version.fingerprint in spaces
    }


def matches(con: duckdb.DuckDBPyConnection, chunk_id: int, vectors: QueryVectors) -> list[Match]:
    """Return the chunk's score and rank in each list of the query that holds it, best first."""
    standings = ((held, standing(con, held, chunk_id, query)) for held, query in vectors.items())
    found = [Match(held, place) for held, place in standings if place]
    return sorted(found, key=lambda match: match.standing.rank or 0)
