"""Fit from which merit on a hit is called strong or likely, by what people said of hits.

Every judged query is asked again through the search, so that merits are those of the line-up and
the calibration of today. A limit is the lowest merit above which the judged hits fit as often as
was asked for, by the lower end of Wilson's 95 % interval; hits that nobody judged say nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from crossmodal.errors import EvaluationError, NoSuchChunk
from crossmodal.evaluation.intervals import wilson
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import strength_limits
from crossmodal.ledger.write.judgements import grades, standing_judgements
from crossmodal.ledger.write.strength_limits import StoredLimits
from crossmodal.records import Hit
from crossmodal.search.lists import choose_lists
from crossmodal.search.options import QueryOptions
from crossmodal.search.reranking import OFF
from crossmodal.search.service import Query, SearchService
from crossmodal.search.strength import Strength
from crossmodal.vectors.calibration.probe_bank import REVISION

MIN_JUDGED, MIN_QUERIES = 50, 20
"""Of 50 hits that all fit, Wilson's lower end is 0.93: fewer could not show nine of ten."""
PRECISION: Mapping[Strength, float] = {"strong": 0.9, "likely": 0.5}
_DEPTH = 200


@dataclass(frozen=True, slots=True)
class Judged:
    """Hold the merit of one judged hit, and whether it fits."""

    query: tuple[str, str]
    merit: float
    fits: bool


def fit_limits(
    collection: Collection, precision: Mapping[Strength, float] = PRECISION, device: str = "auto"
) -> StoredLimits:
    """Return the limits that hold the precisions by all judgements; the collection keeps them.

    Raises:
        EvaluationError: too few hits were judged, or a precision is no share.
        CollectionMissing, CollectionEmpty: there is nothing to ask.
    """
    if not all(0 < share < 1 for share in precision.values()):
        raise EvaluationError(f"precisions are shares above 0 and below 1, not {dict(precision)}")
    judged = list(_judged(collection, device))
    limits = _fitted(collection, judged, precision)
    with collection.write() as con:
        strength_limits.put_limits(con, limits)
    return limits


def lowest_merit(judged: Sequence[Judged], precision: float) -> float | None:
    """Return the lowest merit above which at least this share fits; None where none is shown to."""
    ordered = sorted(judged, key=lambda each: -each.merit)
    lowest, num_fit = None, 0
    for number, each in enumerate(ordered, 1):
        num_fit += each.fits
        is_last = number == len(ordered) or ordered[number].merit < each.merit
        if is_last and wilson(num_fit / number, number).low >= precision:
            lowest = each.merit
    return lowest


def _fitted(
    collection: Collection, judged: Sequence[Judged], precision: Mapping[Strength, float]
) -> StoredLimits:
    num_queries = len({each.query for each in judged})
    if len(judged) < MIN_JUDGED or num_queries < MIN_QUERIES:
        raise EvaluationError(
            f"{len(judged):,} judged hits of {num_queries:,} queries are too few: limits take "
            f"{MIN_JUDGED} of {MIN_QUERIES} queries, so hits are called strong and likely as before"
        )
    with collection.read() as con:
        lists = choose_lists(con, collection.path, QueryOptions(collection=str(collection.path)))
    found = {word: lowest_merit(judged, share) for word, share in precision.items()}
    return StoredLimits(
        model=" + ".join(dict.fromkeys(held.version.label for held in lists)),
        versions=sorted({held.version.id or 0 for held in lists}),
        revision=REVISION,
        strong=found["strong"],
        likely=found["likely"],
        precision={str(word): share for word, share in precision.items()},
        num_judged=len(judged),
        num_queries=num_queries,
        fitted_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _judged(collection: Collection, device: str) -> Iterator[Judged]:
    """Yield every judged hit that the search still finds, with its merit."""
    with collection.read() as con:
        graded = grades(standing_judgements(con))
    keys = sorted({key for key, _ in graded})
    texts = [key for key in keys if key[0] == "text"]
    options = QueryOptions(collection=str(collection.path), device=device, k=_DEPTH, rerank=OFF)
    service = SearchService(collection)
    answers = service.ask_many([Query(text=text) for _, text in texts], options)
    for key, answer in zip(texts, answers, strict=True):
        yield from _of_hits(key, answer.hits, graded)
    for key in (key for key in keys if key[0] != "text"):
        with suppress(NoSuchChunk):  # it is gone, and with it what was said of its like
            found = service.ask(Query(chunk_id=int(key[1])), options)
            yield from _of_hits(key, found.hits, graded)


def _of_hits(
    key: tuple[str, str],
    hits: Sequence[Hit],
    graded: Mapping[tuple[tuple[str, str], str], int],
) -> Iterator[Judged]:
    for hit in hits:
        grade = graded.get((key, hit.uri))
        if grade is not None and hit.merit is not None and np.isfinite(hit.merit):
            yield Judged(key, hit.merit, bool(grade))
