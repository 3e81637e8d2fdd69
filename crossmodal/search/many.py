"""Answer many queries with one pass over each list.

The same ranking as a query by itself gets (``merge``). Under a filter, and for the few queries
whose page is not full after the first window, each is searched by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

import duckdb
import numpy as np

from crossmodal.ledger.read.filters import Where
from crossmodal.ledger.write.calibrations import hubs_of
from crossmodal.records import Hit, VectorList
from crossmodal.search.lists import QueryVectors
from crossmodal.search.merge import (
    Beside,
    ListHits,
    Measures,
    Merits,
    Page,
    WordedList,
    measures_of,
    merged,
    needs_hubs,
    page_of,
    uncalibrated,
    window_of,
    with_words,
)
from crossmodal.search.options import QueryOptions
from crossmodal.search.strength import limits_of
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.vectors.calibration.merit import Floats, MeritOf
from crossmodal.vectors.nearest_many import search_many
from crossmodal.vectors.search import SearchRequest, hits_of


class _Asked(NamedTuple):
    """Hold a query, and the modality of what asks where that is a picture or a chunk."""

    vectors: QueryVectors
    asks: str


class _Nearest(NamedTuple):
    """Hold what one list found for the queries that go through it."""

    row_of: dict[int, int]
    """Row by the number of the query."""
    chunk_ids: np.ndarray
    """(n, k) int64; -1 where there is none."""
    cosines: Floats
    merits: Merits | None
    hubs: Floats
    """(n, k) float32; NaN where there is none or it does not count."""


def merged_many(
    con: duckdb.DuckDBPyConnection,
    queries: Sequence[QueryVectors],
    options: QueryOptions,
    where: Where | None,
    codes: CodesFolder,
    besides: Sequence[Beside] | None = None,
) -> list[Page]:
    """Return for each query the page that ``merged`` returns; of ``besides`` no ``grown``."""
    told = list(besides or [Beside()] * len(queries))
    phrased = any(beside.words.among is not None for beside in told)
    if len(queries) == 1 or where not in (None, Where()) or phrased:
        return [
            merged(con, vectors, options, where, codes, beside)
            for vectors, beside in zip(queries, told, strict=True)
        ]
    lists = list(dict.fromkeys(held for vectors in queries for held in vectors))
    measures, limits = measures_of(con, lists), limits_of(con, lists)
    window = window_of(options)
    asked = [_Asked(vectors, beside.asks) for vectors, beside in zip(queries, told, strict=True)]
    nearest = {held: _nearest(con, held, asked, measures, window, codes) for held in lists}
    known = _known(con, nearest)
    pages = []
    for number, vectors in enumerate(queries):
        beside = told[number]
        found = [
            with_words(
                con,
                _list_hits(nearest[held], number, known),
                _worded(con, SearchRequest(held, vector, where=where), measures[held], window),
                beside.words,
            )
            for held, vector in vectors.items()
        ]
        page, is_enough = page_of(found, options, window, replace(beside, limits=limits))
        if is_enough or all(len(part.hits) < window for part in found):
            own = {held: measures[held] for held in vectors}
            notices = (*uncalibrated(own), *beside.words.notices)
            pages.append(replace(page, notices=notices))
        else:
            pages.append(merged(con, vectors, options, where, codes, beside))
    return pages


def _nearest(
    con: duckdb.DuckDBPyConnection,
    held: VectorList,
    queries: Sequence[_Asked],
    measures: Measures,
    window: int,
    codes: CodesFolder,
) -> _Nearest:
    asking = [number for number, query in enumerate(queries) if held in query.vectors]
    matrix = np.stack([queries[number].vectors[held] for number in asking])
    ids, cosines = search_many(con, held, matrix, window, codes)
    measure, merits = measures[held], None
    hubs = np.full(ids.shape, np.nan, np.float32)
    if measure is not None:
        needing = [needs_hubs(held, queries[number].asks) for number in asking]
        unique, place = np.unique(ids[needing], return_inverse=True)
        hubs[needing] = hubs_of(con, held, unique)[place.reshape(-1, ids.shape[1])]
        merits = measure(cosines, hubs)
    row_of = {number: row for row, number in enumerate(asking)}
    return _Nearest(row_of, ids, cosines, merits, hubs)


def _known(con: duckdb.DuckDBPyConnection, nearest: dict[VectorList, _Nearest]) -> dict[int, Hit]:
    """Return every chunk that some query found, as a hit without rank and score."""
    ids = [found.chunk_ids.ravel() for found in nearest.values()]
    unique = np.unique(np.concatenate(ids)) if ids else np.zeros(0, np.int64)
    return hits_of(con, unique[unique >= 0])


def _worded(
    con: duckdb.DuckDBPyConnection, request: SearchRequest, measure: MeritOf | None, window: int
) -> WordedList:
    return WordedList(request, measure, window, partial(hubs_of, con, request.vectors))


def _list_hits(found: _Nearest, number: int, known: dict[int, Hit]) -> ListHits:
    row = found.row_of[number]
    ids = found.chunk_ids[row].tolist()
    kept = [place for place, chunk_id in enumerate(ids) if chunk_id in known]
    cosines = found.cosines[row, kept].clip(-1, 1)
    merits = None if found.merits is None else found.merits[row, kept]
    hits = [known[ids[place]] for place in kept]
    return ListHits(hits, cosines, merits, found.hubs[row, kept])
