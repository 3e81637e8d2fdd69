"""Choose a policy's two thresholds from its labelled examples, and say how well they will do.

Lower threshold: nearly all that violates the policy lies above it. Upper one: most of what lies
above it violates the policy. Precision is estimated at the true base rate, never on a balanced set:
of what the list itself holds above the threshold, the share that the base rate and the recall
explain. Pure arithmetic, with intervals.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]

TARGET_RECALL = 0.9
TARGET_PRECISION = 0.8
MIN_EXAMPLES = 5
"""Of each side; with fewer, thresholds come from chance alone."""
NUM_RESAMPLES = 200
_CLEAR = 0.25
_SEED = 7
_Z = 1.959964
# Quantiles at 0.9 with n - 1 degrees of freedom.
_STUDENT = {5: 1.533, 6: 1.476, 7: 1.440, 8: 1.415}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Hold a share with the interval that holds it 95 times in a hundred."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Hold the thresholds of one policy in one list and what they promise."""

    review: float
    first: float
    by: str
    """examples, chance (too few examples), or policy (the thresholds stand in its file)."""
    base_rate: float
    """The share of the list that violates the policy; -1 where nothing is known of it."""
    base_rate_by: str
    """policy or estimate; none."""
    num_violates: int
    num_allowed: int
    recall: Estimate | None = None
    """At the lower threshold."""
    precision: Estimate | None = None
    """At the lower threshold."""
    first_precision: Estimate | None = None
    """At the upper threshold."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the ledger."""
        return asdict(self)

    def set_by_hand(self, review: float | None, first: float | None) -> Calibration:
        """Return it with the thresholds that stand in the policy; its promises are gone then."""
        if review is None and first is None:
            return self
        low = self.review if review is None else review
        high = max(low, self.first if first is None else first)
        return replace(
            self,
            review=low,
            first=high,
            by="policy",
            recall=None,
            precision=None,
            first_precision=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """Hold what thresholds are chosen from, all in one list's scores."""

    violates: Scores
    """Of examples that violate the policy, each scored without itself."""
    allowed: Scores
    everything: Scores
    """Of a sample of the list, whatever it is."""


def calibrate(
    labelled: Labelled, base_rate: float | None, rare: tuple[float, float]
) -> Calibration:
    """Return the thresholds that examples give, or where there are too few those of chance."""
    num_violates, num_allowed = len(labelled.violates), len(labelled.allowed)
    if min(num_violates, num_allowed) < MIN_EXAMPLES:
        return Calibration(
            review=rare[0],
            first=rare[1],
            by="chance",
            base_rate=-1 if base_rate is None else base_rate,
            base_rate_by="none" if base_rate is None else "policy",
            num_violates=num_violates,
            num_allowed=num_allowed,
        )
    rate = base_rate if base_rate is not None else estimated_base_rate(labelled)
    review = review_threshold(labelled.violates)
    first = first_threshold(labelled, rate, review)
    hits = int((labelled.violates >= review).sum())
    return Calibration(
        review=review,
        first=first,
        by="examples",
        base_rate=rate,
        base_rate_by="estimate" if base_rate is None else "policy",
        num_violates=num_violates,
        num_allowed=num_allowed,
        recall=wilson(hits, num_violates),
        precision=precision_interval(labelled, base_rate, review),
        first_precision=precision_interval(labelled, base_rate, first),
    )


def review_threshold(violates: Scores) -> float:
    """Return the score above which TARGET_RECALL of new violations is expected to lie.

    The k-th smallest of n scores has k / (n + 1) of the population below it, on average. Too few to
    count, below nine: Student's prediction bound of a normal distribution.
    """
    ordered, num = np.sort(violates), len(violates)
    place = math.floor((1 - TARGET_RECALL) * (num + 1) + 1e-9)
    if place >= 1:
        return float(ordered[place - 1])
    spread = ordered.std(ddof=1) * math.sqrt(1 + 1 / num)
    return float(ordered.mean() - _STUDENT[num] * spread)


def first_threshold(
    labelled: Labelled, base_rate: float, review: float, wanted: float = TARGET_PRECISION
) -> float:
    """Return the lowest score from ``review`` on above which precision is as wanted.

    Where none is, the median of the examples that violate the policy: the queue keeps a head.
    """
    for threshold in np.unique(labelled.violates[labelled.violates >= review]):
        if precision(labelled, base_rate, float(threshold)) >= wanted:
            return float(threshold)
    return float(max(review, np.median(labelled.violates)))


def precision(labelled: Labelled, base_rate: float, threshold: float) -> float:
    """Return the share of what lies above a threshold that violates the policy.

    By Bayes: base rate times recall, over the share of the whole list above the threshold. Recall
    is hits / (n + 1), since the threshold was chosen by the same examples. Where the list has less
    above it than the violations alone must give, half a chunk stands for false alarms.
    """
    hits = float((labelled.violates >= threshold).sum())
    own = base_rate * hits / (len(labelled.violates) + 1)
    flagged = _share_above(labelled.everything, threshold)
    least = own + 0.5 / max(len(labelled.everything), 1)
    return own / max(flagged, least)


def estimated_base_rate(labelled: Labelled) -> float:
    """Return the share of the list that violates the policy, by a median sweep of adjusted counts.

    Forman, Quantifying counts and costs via classification (2008): the share above a threshold is
    a mixture of recall and false alarms. Each threshold at which the two differ by a quarter or
    more gives an estimate; their median is steadier than the best threshold's.
    """
    grid = np.unique(np.concatenate([labelled.violates, labelled.allowed]))
    recalls, alarms, shares = (
        1 - np.searchsorted(np.sort(values), grid) / max(len(values), 1)
        for values in (labelled.violates, labelled.allowed, labelled.everything)
    )
    apart = recalls - alarms
    clear = apart >= _CLEAR
    rates = (shares[clear] - alarms[clear]) / apart[clear]
    least = 1 / max(len(labelled.everything), 2)
    return float(np.clip(np.median(rates) if len(rates) else shares.max(), least, 1 - least))


def precision_interval(labelled: Labelled, base_rate: float | None, threshold: float) -> Estimate:
    """Return the precision above a threshold with its bootstrap interval.

    A base rate that nobody states is estimated anew in each resample: its doubt counts.
    """
    rng = np.random.default_rng(_SEED)

    def at(drawn: Labelled) -> float:
        rate = estimated_base_rate(drawn) if base_rate is None else base_rate
        return precision(drawn, rate, threshold)

    values = [at(_resampled(labelled, rng)) for _ in range(NUM_RESAMPLES)]
    low, high = np.quantile(values, (0.025, 0.975))
    return Estimate(value=at(labelled), low=float(low), high=float(high))


def _resampled(labelled: Labelled, rng: np.random.Generator) -> Labelled:
    def again(values: Scores) -> Scores:
        return values[rng.integers(0, len(values), len(values))] if len(values) else values

    return Labelled(
        violates=again(labelled.violates),
        allowed=again(labelled.allowed),
        everything=again(labelled.everything),
    )


def wilson(hits: int, num: int) -> Estimate:
    """Return a share with Wilson's score interval, which holds at 0 and 1 too."""
    if num == 0:
        return Estimate(value=0.0, low=0.0, high=1.0)
    share, z2 = hits / num, _Z**2
    centre = (share + z2 / (2 * num)) / (1 + z2 / num)
    half = _Z * math.sqrt(share * (1 - share) / num + z2 / (4 * num**2)) / (1 + z2 / num)
    return Estimate(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half))


def _share_above(values: Scores, threshold: float) -> float:
    return float((values >= threshold).mean()) if len(values) else 0.0
