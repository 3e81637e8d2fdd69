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
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, Protocol

import duckdb
import numpy as np
import numpy.typing as npt

from crossmodal.ledger.read.filters import Where
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.words.bm25 import Matches
from crossmodal.ledger.words.captions import captioned_among
from crossmodal.ledger.words.rows import Scores
from crossmodal.modalities import MODALITIES
from crossmodal.records import Hit, VectorList
from crossmodal.search.folding import fold
from crossmodal.search.lists import QueryVectors
from crossmodal.search.options import QueryOptions
from crossmodal.search.prose import DEMOTION, DEMOTION_SPREADS, is_prose
from crossmodal.search.strength import BY_CHANCE, Limits, least_merit, limits_of, strength_of
from crossmodal.search.words import (
    COVERED_POWER,
    EXACT_MERIT,
    WORD_WEIGHT,
    Words,
    cosines_of,
    standing_of,
)
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.vectors.calibration.merit import Floats, MeritOf, corrected
from crossmodal.vectors.calibration.update import merit_of_list
from crossmodal.vectors.search import Found, SearchNotice, SearchRequest, find, hits_of

_MIN_WINDOW = 100
_WIDENING = 4
_LEAST_CAPTIONED = 0.9
"""Share of a list's hits with a caption from which on the words of captions count in hybrid."""

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
    hubs: Floats
    """(n,) float32 hub terms; NaN where there is none or it does not count."""
    places: Sequence[int] | None = None
    """From which place each hit counts; None for its own, by cosine."""


@dataclass(frozen=True, slots=True)
class Page:
    """Hold a page of hits, and what a person should know of them."""

    hits: list[Hit]
    has_more: bool = False
    stands_out: bool | None = None
    """Whether any hit of the query does, on this page or not; None where nobody can tell."""
    notices: tuple[str, ...] = ()


class Grown(Protocol):
    """Let further hits join a ranking."""

    def __call__(self, ranking: Sequence[Ranked], *, calibrated: bool) -> list[Ranked]:
        """Return the ranking with them."""


@dataclass(frozen=True, slots=True)
class Beside:
    """Say what counts beside the vectors."""

    is_wanted: Callable[[Hit], bool] | None = None
    words: Words = field(default_factory=Words)
    grown: Grown | None = None
    """Lets neighbours of the best join them."""
    limits: Limits = BY_CHANCE
    """From which merits on hits are likely and strong."""
    asks: str = ""
    """Modality of what asks, where that is a picture or a chunk."""


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
    beside: Beside | None = None,
) -> Page:
    """Return the page of hits that the options ask for, numbered from the offset on.

    The lists are read deeper until there are enough hits or no more chunks.
    """
    asked, measures = list(vectors.items()), measures_of(con, list(vectors))
    beside = replace(beside or Beside(), limits=limits_of(con, vectors))
    window = window_of(options)
    depth = window
    while depth < options.offset + options.k + 1:
        depth *= _WIDENING
    while True:
        requests = [SearchRequest(held, query, depth, where=where) for held, query in asked]
        answers = [_find(con, request, codes, beside.words) for request in requests]
        lists = []
        for request, answer in zip(requests, answers, strict=True):
            hubs_of = partial(codes.hub_terms.of, con, request.vectors, token=answer.token)
            worded = WordedList(request, measures[request.vectors], window, hubs_of)
            found = _measured(worded, answer.hits, beside.asks)
            lists.append(with_words(con, found, worded, beside.words))
        page, is_enough = page_of(lists, options, window, beside)
        ran_out = beside.words.among is not None or all(len(a.hits) < depth for a in answers)
        if is_enough or ran_out:
            reasons = dict.fromkeys(a.notice.reason for a in answers if a.notice.reason)
            told = (*reasons, *uncalibrated(measures), *beside.words.notices)
            return replace(page, notices=told)
        depth *= _WIDENING


class WordedList(NamedTuple):
    """Name a list that words may count in, and how its cosines become merits."""

    request: SearchRequest
    measure: MeritOf | None
    window: int
    hubs_of: Callable[[npt.NDArray[np.int64]], Floats]
    """Returns the hub terms of (n,) chunk ids."""


def with_words(
    con: duckdb.DuckDBPyConnection, found: ListHits, worded: WordedList, words: Words
) -> ListHits:
    """Return what a list found with its words counted in.

    Other lists than of texts have words only where captions are told of nearly all of their hits,
    and are else left as they are. The chunks that share most with the question join the hits; they
    count as of the first window.
    """
    if words.matches is None or worded.measure is None:
        return found
    is_text = worded.request.vectors.modality == "text"
    matches = words.matches.of_texts if is_text else words.matches.of_captions
    told = _captioned(con, found, matches) if not is_text else None
    if not is_text and told is None:
        return found
    best, _ = matches.best(worded.window)
    missing = np.setdiff1d(best, [hit.chunk_id for hit in found.hits])
    joining = _hits_among(con, worded.request, missing)
    joined = np.array([hit.chunk_id for hit in joining], np.int64)
    hits = [*found.hits, *joining]
    ids = np.array([hit.chunk_id for hit in hits], np.int64)
    cosines = np.append(found.cosines, [hit.score for hit in joining]).astype(np.float32)
    is_first = np.isin(ids, best)
    is_near = is_first | (np.arange(len(ids)) < min(worded.window, len(found.hits)))
    hubs = np.append(found.hubs, worded.hubs_of(joined))
    gained = WORD_WEIGHT * worded.measure.spread * standing_of(matches, ids, is_near)
    if told is not None:  # what has no caption has no words that could be missing
        gained[~np.isin(ids, np.append(told, joined))] = 0.0
    gained -= _lowered(corrected(cosines, np.nan_to_num(hubs))[is_near], gained[is_near], matches)
    merits = worded.measure(cosines + gained.astype(np.float32), hubs)
    merits += EXACT_MERIT * np.isin(ids, list(matches.exact))
    places = np.where(is_first, 0, np.arange(len(ids))).tolist()
    return ListHits(hits, cosines, merits, hubs, places)


def _captioned(
    con: duckdb.DuckDBPyConnection, found: ListHits, matches: Matches
) -> npt.NDArray[np.int64] | None:
    """Return which hits a caption is told of; None where words are not to count among them.

    Where half of the pictures have a caption their words push the others down (docs/quality.md).
    """
    if not len(matches.chunk_ids) or not found.hits:
        return None
    told = captioned_among(con, np.array([hit.chunk_id for hit in found.hits], np.int64))
    return told if len(told) >= _LEAST_CAPTIONED * len(found.hits) else None


def _lowered(scores: Floats, gained: Scores, matches: Matches) -> float:
    """Return by how much a list stands lower, for words of the question that no chunk holds.

    Words order the list by what they are worth there, however few of the question's they are. Its
    level is that of the best hit had they gained only the share that is covered: else one stray
    word would let an off-topic question stand out in a small collection (docs/quality.md).
    """
    if not len(scores):
        return 0.0
    share = matches.covered**COVERED_POWER
    return max(0.0, float((scores + gained).max() - (scores + share * gained).max()))


def _find(
    con: duckdb.DuckDBPyConnection, request: SearchRequest, codes: CodesFolder, words: Words
) -> Found:
    """Return the nearest, or what is to be looked at of those that hold a phrase."""
    if words.among is None:
        return find(con, request, codes)
    return Found(_hits_among(con, request, words.among), SearchNotice("exact"))


def _hits_among(
    con: duckdb.DuckDBPyConnection, request: SearchRequest, chunk_ids: npt.NDArray[np.int64]
) -> list[Hit]:
    """Return those of these chunks that the list has as hits, nearest first."""
    if not len(chunk_ids):
        return []
    ids, cosines = cosines_of(con, request.vectors, request.query, chunk_ids)
    known = hits_of(con, ids, request.where)
    scored = zip(ids.tolist(), cosines.clip(-1, 1).tolist(), strict=True)
    return [replace(known[i], score=cosine) for i, cosine in scored if i in known]


def window_of(options: QueryOptions) -> int:
    """Return how many of a list's nearest are ordered by merit among themselves."""
    return options.window or max(_MIN_WINDOW, _WIDENING * options.k)


def page_of(
    lists: Sequence[ListHits],
    options: QueryOptions,
    window: int,
    beside: Beside | None = None,
) -> tuple[Page, bool]:
    """Return the page of what the lists found, and whether reading deeper would not change it."""
    beside = beside or Beside()
    ranking = ranked(lists, window)
    calibrated = all(found.merits is not None for found in lists if found.hits)
    if beside.grown:
        ranking = beside.grown(ranking, calibrated=calibrated)
    is_wanted = beside.is_wanted
    least = least_merit(options.min_strength, beside.limits) if calibrated else float("-inf")
    shown = [r for r in ranking if r.standing >= least and (not is_wanted or is_wanted(r.hit))]
    end = options.offset + options.k
    if options.group:
        shown = _folded(best_of_each_source(shown), end + 1)
    hits = [
        _told(r, rank, beside.limits if calibrated else None)
        for rank, r in enumerate(shown[options.offset : end], options.offset + 1)
    ]
    best = ranking[0].standing if ranking else float("-inf")
    stands_out = best >= beside.limits.likely if calibrated else None
    deepest = ranking[-1].window if ranking else 0
    ran_out = all(r.standing < least for r in ranking if r.window == deepest)
    return Page(hits, len(shown) > end, stands_out), len(shown) > end or ran_out


def ranked(lists: Sequence[ListHits], window: int) -> list[Ranked]:
    """Return the hits of all lists, best first; a chunk that stands in several appears once."""
    calibrated = all(found.merits is not None for found in lists if found.hits)
    ranking = [
        Ranked(_window(place, window), *parts)
        for found in lists
        for place, *parts in zip(
            range(len(found.hits)) if found.places is None else found.places,
            _standings(found, window, calibrated=calibrated),
            found.cosines.tolist(),
            found.hits,
            strict=True,
        )
    ]
    first: dict[int, Ranked] = {}
    for found in in_order(ranking, calibrated=calibrated):
        first.setdefault(found.hit.chunk_id, found)
    return list(first.values())


def in_order(ranking: Iterable[Ranked], *, calibrated: bool) -> list[Ranked]:
    """Return hits in the order in which they are shown; what is no prose stands below its merit."""
    lower = DEMOTION if calibrated else DEMOTION_SPREADS

    def place(found: Ranked) -> tuple[int, float, float, int]:
        hit = found.hit
        is_lower = hit.kind == "passage" and not is_prose(hit.text, hit.section)
        return found.window, lower * is_lower - found.standing, -found.cosine, hit.chunk_id

    return sorted(ranking, key=place)


def best_of_each_source(ranking: Sequence[Ranked]) -> list[Ranked]:
    """Return the first hit of each source, so that one long document does not fill the answer."""
    first: dict[str, Ranked] = {}
    for found in ranking:
        first.setdefault(found.hit.uri, found)
    return list(first.values())


def _folded(ranking: Sequence[Ranked], num: int) -> list[Ranked]:
    """Return the first ``num`` of a ranking without near-duplicates, each with those of its own."""
    kept = fold([found.hit for found in ranking], num)
    return [
        ranking[place]._replace(hit=replace(ranking[place].hit, alike=alike))
        for place, alike in kept
    ]


def words_page(
    con: duckdb.DuckDBPyConnection,
    options: QueryOptions,
    where: Where | None,
    beside: Beside,
) -> Page:
    """Return the page of the chunks that share most words with the question; no vector counts.

    Scores are BM25, and so nobody can tell whether any stands out.
    """
    matches = beside.words.matches
    if matches is None:
        return Page([], notices=beside.words.notices)
    window = depth = window_of(options)
    while True:
        ids, scores = matches.best(depth)
        known = hits_of(con, ids, where)
        told = zip(ids.tolist(), scores.tolist(), strict=True)
        scored = [(known[i], score) for i, score in told if i in known]
        wanted = [p for p in scored if p[0].modality in (options.modalities or MODALITIES)]
        cosines = np.array([score for _, score in wanted], np.float32)
        hubs = np.full(len(wanted), np.nan, np.float32)
        found = ListHits([hit for hit, _ in wanted], cosines, None, hubs)
        plain = replace(options, min_strength=None)
        page, is_enough = page_of([found], plain, window, Beside(beside.is_wanted))
        if is_enough or depth >= len(matches.chunk_ids):
            return replace(page, notices=beside.words.notices)
        depth *= _WIDENING


def needs_hubs(held: VectorList, asks: str) -> bool:
    """Say whether hub terms count where something of modality ``asks`` is compared with a list.

    They say how near a chunk lies to any text. Between two pictures they take from the ranking
    (docs/quality.md), and every chunk is given the mean of its list.
    """
    return asks in ("", "text") or asks != held.modality


def _measured(worded: WordedList, hits: Sequence[Hit], asks: str) -> ListHits:
    cosines = np.array([hit.score for hit in hits], np.float32)
    hubs = np.full(len(hits), np.nan, np.float32)
    if worded.measure is None:
        return ListHits(hits, cosines, None, hubs)
    if needs_hubs(worded.request.vectors, asks):
        hubs = worded.hubs_of(np.array([hit.chunk_id for hit in hits], np.int64))
    return ListHits(hits, cosines, worded.measure(cosines, hubs), hubs)


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


def _told(found: Ranked, rank: int, limits: Limits | None) -> Hit:
    hit = replace(found.hit, rank=rank, score=found.cosine)
    if limits is None:
        return hit
    return replace(hit, merit=found.standing, strength=strength_of(found.standing, limits))


def uncalibrated(measures: Measures) -> list[str]:
    """Return what to say of lists that have no table yet; nothing where all have one."""
    lacking = sorted({found.modality for found, measure in measures.items() if measure is None})
    if not lacking:
        return []
    return [
        f"{' and '.join(lacking)} scores are not calibrated yet, so the ranking is rougher and no "
        "strength is told: the next `crossmodal index` measures them"
    ]
