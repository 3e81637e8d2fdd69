"""Compare two evaluations of the same queries over the same gallery: paired, with intervals.

Refuses what does not compare: a recall over another gallery, or of other queries, is another
figure. Unpaired, a difference of three points in two thousand captions says nothing; paired it may.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossmodal.errors import NotComparable
from crossmodal.evaluation.intervals import Interval, difference
from crossmodal.evaluation.one_pair import cluster_numbers
from crossmodal.ledger.evaluation_records import (
    MEASURES,
    EvaluationRecord,
    PairResult,
    QueryResult,
)

_BY = MEASURES.index("nDCG@10")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairComparison:
    """Say how one pair changed from one evaluation to the other."""

    pair: str
    num_queries: int
    num_clusters: int
    before: dict[str, float]
    after: dict[str, float]
    change: dict[str, Interval]
    """By measure, the mean paired difference with its 95 % interval."""
    num_changed: int
    """Queries whose nDCG@10 is another."""


@dataclass(frozen=True, slots=True)
class Changed:
    """Hold one query as both evaluations answered it."""

    before: QueryResult
    after: QueryResult

    @property
    def by(self) -> float:
        """Return how much better the later answer is: nDCG@10, -1 to 1."""
        return self.after.scores[_BY] - self.before.scores[_BY]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Hold two evaluations side by side."""

    before: str
    """Label of the model version, or of the line-up."""
    after: str
    set_name: str
    pairs: list[PairComparison]
    left_out: list[str]
    """Pairs that only one of them has."""


def compare(before: EvaluationRecord, after: EvaluationRecord, seed: int = 0) -> Comparison:
    """Return the paired differences of two evaluations, pair by pair.

    Raises:
        NotComparable: they are of other sets, queries or galleries, or share no pair.
    """
    if before.set_digest != after.set_digest:
        raise NotComparable(
            f"{before.set_path} and {after.set_path} are not the same set, or it was changed in "
            "between: evaluate both versions with it again"
        )
    earlier = {result.pair: result for result in before.pairs}
    later = {result.pair: result for result in after.pairs}
    shared = [pair for pair in later if pair in earlier]
    if not shared:
        raise NotComparable(f"{before.model} and {after.model} share no pair of this set")
    return Comparison(
        before=before.model,
        after=after.model,
        set_name=after.set_name,
        pairs=[_pair(p, before, after, (earlier[p], later[p]), seed) for p in shared],
        left_out=sorted(earlier.keys() ^ later.keys()),
    )


def most_changed(
    before: EvaluationRecord, after: EvaluationRecord, pair: str, limit: int
) -> list[Changed]:
    """Return the queries of a pair whose answers changed most, as many worse as better ones."""
    changed = [change for change in _paired(before, after, pair) if change.by]
    worse = sorted((c for c in changed if c.by < 0), key=lambda c: (c.by, c.after.query_id))
    better = sorted((c for c in changed if c.by > 0), key=lambda c: (-c.by, c.after.query_id))
    half = max(limit // 2, limit - len(better))
    return [*worse[:half], *better[: limit - min(half, len(worse))]]


def _paired(before: EvaluationRecord, after: EvaluationRecord, pair: str) -> list[Changed]:
    earlier = {q.query_id: q for q in before.queries if q.pair == pair}
    return [Changed(earlier[q.query_id], q) for q in after.queries if q.pair == pair]


def _pair(
    pair: str,
    before: EvaluationRecord,
    after: EvaluationRecord,
    results: tuple[PairResult, PairResult],
    seed: int,
) -> PairComparison:
    _refuse_other_gallery(pair, *results)
    earlier = [q for q in before.queries if q.pair == pair]
    later = [q for q in after.queries if q.pair == pair]
    _refuse_other_queries(pair, earlier, later)
    both = _paired(before, after, pair)
    old = np.array([change.before.scores for change in both])
    new = np.array([change.after.scores for change in both])
    clusters = cluster_numbers([change.after for change in both])
    return PairComparison(
        pair=pair,
        num_queries=len(both),
        num_clusters=results[1].num_clusters,
        before={name: found.value for name, found in results[0].measures.items()},
        after={name: found.value for name, found in results[1].measures.items()},
        change={
            name: difference(new[:, place], old[:, place], clusters, seed)
            for place, name in enumerate(MEASURES)
        },
        num_changed=sum(change.by != 0 for change in both),
    )


def _refuse_other_gallery(pair: str, before: PairResult, after: PairResult) -> None:
    if before.gallery_digest != after.gallery_digest:
        raise NotComparable(
            f"{pair}: the galleries differ ({before.gallery_size:,} items, then "
            f"{after.gallery_size:,}), so the figures do not compare: finish the newer version "
            "with `crossmodal backfill` and evaluate both again"
        )


def _refuse_other_queries(
    pair: str, before: Sequence[QueryResult], after: Sequence[QueryResult]
) -> None:
    other = {q.query_id for q in before} ^ {q.query_id for q in after}
    if other:
        raise NotComparable(
            f"{pair}: {len(other):,} queries were scored in one evaluation only, such as "
            f"{min(other)}: evaluate both versions again"
        )
