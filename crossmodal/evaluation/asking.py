"""Ask the product's own search, many queries at a time.

Owns nothing of how an answer comes to be: filters, codes and merging are the search's. A picture is
asked with the vector that the collection has of it, which is what a forward pass would give again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.filters import parse_where
from crossmodal.records import Hit, VectorList
from crossmodal.search.lists import choose_lists
from crossmodal.search.many import merged_many
from crossmodal.search.merge import Beside
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import answer, codes_beside

BATCH = 200
Tick = Callable[[int], None]
"""Told how many queries were answered since it was last told."""


@dataclass(frozen=True, slots=True)
class Found:
    """Hold the hits of each query, best first, and what a query took."""

    hits: list[list[Hit]]
    ms_per_query: float
    """With the model loaded, asked many at a time."""


def ask_texts(options: QueryOptions, texts: Sequence[str], tick: Tick) -> Found:
    """Return the hits of each text, as ``crossmodal search`` finds them."""
    # How well a model ranks has nothing to do with what moderation hides.
    whole = replace(options, where=[*options.where, "hidden=any"])
    return _timed(texts, lambda part: [a.hits for a in answer(whole, list(part), [])], tick)


def ask_vectors(
    options: QueryOptions,
    vectors: npt.NDArray[np.float32],
    asks: VectorList,
    tick: Tick,
) -> Found:
    """Return the hits of each of (n, dim) unit vectors of a list, in every list of its space."""
    collection, where = Collection(options.collection), parse_where(options.where)

    def ask(part: Sequence[Any]) -> list[list[Hit]]:
        with collection.read() as con:
            lists = choose_lists(con, collection.path, options)
            fingerprint = asks.version.fingerprint
            spaces = [held for held in lists if held.version.fingerprint == fingerprint]
            codes = codes_beside(collection.path)
            asked = [dict.fromkeys(spaces, vector) for vector in part]
            besides = [Beside(asks=asks.modality)] * len(asked)
            pages = merged_many(con, asked, options, where, codes, besides)
            return [page.hits for page in pages]

    return _timed(list(vectors), ask, tick)


def _timed(
    queries: Sequence[Any], ask: Callable[[Sequence[Any]], list[list[Hit]]], tick: Tick
) -> Found:
    if len(queries):
        ask(queries[:1])  # loads the model, which is not what a query takes
    hits: list[list[Hit]] = []
    began = time.perf_counter()
    for start in range(0, len(queries), BATCH):
        hits += ask(queries[start : start + BATCH])
        tick(min(BATCH, len(queries) - start))
    wall_ms = 1000 * (time.perf_counter() - began)
    return Found(hits, wall_ms / max(len(queries), 1))
