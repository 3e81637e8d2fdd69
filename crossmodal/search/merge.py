"""Merge what several lists found into one ranking, by merit, and cut a page from it.

Cosines of different spaces, and of different modalities in one space, do not compare: in a joint
space every text is nearer to a text than to any picture. Merit does (``vectors.calibration``). The
nearest by cosine come out of each list in windows, and the hits of a window stand by merit before
those of the next, so that a page shows the same hits however deep the lists were read. While one
of the lists has no table yet, all are merged by how far a cosine stands out from its own list's
top, which ranks worse, and the answer says so.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

from crossmodal.ledger.read.filters import Where
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.write.calibrations import hubs_of
from crossmodal.records import Hit, VectorList
from crossmodal.search.lists import QueryVectors
from crossmodal.search.options import QueryOptions
from crossmodal.search.strength import LIKELY, least_merit, strength_of
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.vectors.calibration.merit import Floats, MeritOf
from crossmodal.vectors.calibration.update import merit_of_list
from crossmodal.vectors.search import SearchRequest, find

_MIN_WINDOW = 100
_WIDENING = 4

Merits = npt.NDArray[np.float64]
Measures = Mapping[VectorList, MeritOf | None]
"""How the cosines of each list become merits; None for a list without a table."""


class ListHits(NamedTuple):
    """Hold what one list found, nearest first."""

    hits: Sequence[Hit]
    cosines: Floats
    """(n,) float32."""
    merits: Merits | None
    """(n,); None where the list has no table."""


@dataclass(frozen=True, slots=True)
class Page:
    """Hold a page of hits, and what a person should know of them."""

    hits: list[Hit]
    has_more: bool = False
    stands_out: bool | None = None
    """Whether any hit of the query does, on this page or not; None where nobody can tell."""
    notices: tuple[str, ...] = ()


class Ranked(NamedTuple):
    """Name a hit and its place in the ranking."""

    window: int
    standing: float
    """Merit where all lists have one."""
    cosine: float
    hit: Hit


def measures_of(con: duckdb.DuckDBPyConnection, lists: Sequence[VectorList]) -> Measures:
    """Return how cosines become merits in each list as long as it is now."""
    return {found: merit_of_list(con, found, num_vectors(con, found)) for found in lists}


def merged(
    con: duckdb.DuckDBPyConnection,
    vectors: QueryVectors,
    options: QueryOptions,
    where: Where | None,
    codes: CodesFolder,
    is_wanted: Callable[[Hit], bool] | None = None,
) -> Page:
    """Return the page of hits that the options ask for, numbered from the offset on.

    The lists are read deeper until there are enough hits or no more chunks.
    """
    measures = measures_of(con, list(vectors))
    window = window_of(options)
    depth = window
    while depth < options.offset + options.k + 1:
        depth *= _WIDENING
    while True:
        answers = [
            find(con, SearchRequest(found, vector, k=depth, where=where), codes)
            for found, vector in vectors.items()
        ]
        lists = [
            _measured(con, found, measures[found], answer.hits)
            for found, answer in zip(vectors, answers, strict=True)
        ]
        page, is_enough = page_of(lists, options, window, is_wanted)
        if is_enough or all(len(found.hits) < depth for found in answers):
            reasons = dict.fromkeys(a.notice.reason for a in answers if a.notice.reason)
            return replace(page, notices=(*reasons, *uncalibrated(measures)))
        depth *= _WIDENING


def window_of(options: QueryOptions) -> int:
    """Return how many of a list's nearest are ordered by merit among themselves."""
    return max(_MIN_WINDOW, _WIDENING * options.k)


def page_of(
    lists: Sequence[ListHits],
    options: QueryOptions,
    window: int,
    is_wanted: Callable[[Hit], bool] | None = None,
) -> tuple[Page, bool]:
    """Return the page of what the lists found, and whether reading deeper would not change it."""
    ranking = ranked(lists, window)
    calibrated = all(found.merits is not None for found in lists if found.hits)
    least = least_merit(options.min_strength) if calibrated else float("-inf")
    shown = [r for r in ranking if r.standing >= least and (not is_wanted or is_wanted(r.hit))]
    if options.group:
        shown = best_of_each_source(shown)
    end = options.offset + options.k
    hits = [
        _told(r, rank, calibrated=calibrated)
        for rank, r in enumerate(shown[options.offset : end], options.offset + 1)
    ]
    stands_out = bool(ranking and ranking[0].standing >= LIKELY) if calibrated else None
    deepest = ranking[-1].window if ranking else 0
    ran_out = all(r.standing < least for r in ranking if r.window == deepest)
    return Page(hits, len(shown) > end, stands_out), len(shown) > end or ran_out


def ranked(lists: Sequence[ListHits], window: int) -> list[Ranked]:
    """Return the hits of all lists, best first; a chunk that stands in several appears once."""
    calibrated = all(found.merits is not None for found in lists if found.hits)
    ranking = [
        Ranked(_window(place, window), *parts)
        for found in lists
        for place, parts in enumerate(
            zip(
                _standings(found, window, calibrated=calibrated),
                found.cosines.tolist(),
                found.hits,
                strict=True,
            )
        )
    ]
    ranking.sort(key=lambda r: (r.window, -r.standing, -r.cosine, r.hit.chunk_id))
    first: dict[int, Ranked] = {}
    for found in ranking:
        first.setdefault(found.hit.chunk_id, found)
    return list(first.values())


def best_of_each_source(ranking: Sequence[Ranked]) -> list[Ranked]:
    """Return the first hit of each source, so that one long document does not fill the answer."""
    first: dict[str, Ranked] = {}
    for found in ranking:
        first.setdefault(found.hit.uri, found)
    return list(first.values())


def _measured(
    con: duckdb.DuckDBPyConnection, found: VectorList, measure: MeritOf | None, hits: Sequence[Hit]
) -> ListHits:
    cosines = np.array([hit.score for hit in hits], np.float32)
    if measure is None:
        return ListHits(hits, cosines, None)
    ids = np.array([hit.chunk_id for hit in hits], np.int64)
    return ListHits(hits, cosines, measure(cosines, hubs_of(con, found, ids)))


def _window(place: int, size: int) -> int:
    """Return in which window a place lies: each reaches four times as deep as the one before."""
    return next(i for i in itertools.count() if place < size * _WIDENING**i)


def _standings(found: ListHits, window: int, *, calibrated: bool) -> list[float]:
    """Return merits; without them the distances in standard deviations from the first window."""
    if calibrated:
        return [] if found.merits is None else found.merits.tolist()
    top = found.cosines[:window]
    spread = float(top.std()) if len(top) else 0.0
    if not spread:
        return [0.0] * len(found.cosines)
    standings: list[float] = ((found.cosines - top.mean()) / spread).tolist()
    return standings


def _told(found: Ranked, rank: int, *, calibrated: bool) -> Hit:
    hit = replace(found.hit, rank=rank, score=found.cosine)
    if not calibrated:
        return hit
    return replace(hit, merit=found.standing, strength=strength_of(found.standing))


def uncalibrated(measures: Measures) -> list[str]:
    """Return what to say of lists that have no table yet; nothing where all have one."""
    lacking = sorted({found.modality for found, measure in measures.items() if measure is None})
    if not lacking:
        return []
    return [
        f"{' and '.join(lacking)} scores are not calibrated yet, so the ranking is rougher and no "
        "strength is told: the next `crossmodal index` measures them"
    ]
