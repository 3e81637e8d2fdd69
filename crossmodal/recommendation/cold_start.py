"""Show what a collection holds to somebody of whom nothing is known: items far from each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from crossmodal.ledger.read.chunks import find_chunk
from crossmodal.ledger.read.filters import Where
from crossmodal.ledger.read.many_vectors import sampled_vectors
from crossmodal.recommendation.diversity import farthest_first
from crossmodal.records import Hit, VectorList
from crossmodal.vectors.nearest import passing

if TYPE_CHECKING:
    import duckdb


NUM_SAMPLED = 4096
"""Vectors of a list among which the varied ones are sought."""


def diverse_sample(
    con: duckdb.DuckDBPyConnection, lists: Sequence[VectorList], where: Where, k: int
) -> list[Hit]:
    """Return up to ``k`` chunks, by turns from each list, each source once."""
    among = None if where == Where() else passing(con, where)
    spread = []
    for held in lists:
        sample = sampled_vectors(con, held, NUM_SAMPLED, among)
        spread.append([int(sample.chunk_ids[row]) for row in farthest_first(sample.matrix, k)])
    turns = [number for turn in zip_longest(*spread) for number in turn if number is not None]
    hits: dict[str, Hit] = {}
    for number in turns:
        known = find_chunk(con, number)
        if known and len(hits) < k:
            hits.setdefault(known.hit.uri, known.hit)
    return [replace(hit, rank=rank) for rank, hit in enumerate(hits.values(), start=1)]
