"""Choose items that differ: spread over a sample, or relevant and yet unlike each other.

Pure arithmetic on unit vectors; what they stand for is not known here. Equal choices go to the
item that comes first, so the same input always gives the same output.
"""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

REPETITION = 0.6
"""Ranks that a standard deviation of redundancy is worth.

Chosen on every other kind of clothing, where half costs 2.7 points of P@10.
"""
_USUAL = 0.25


def farthest_first(vectors: Floats, num: int) -> list[int]:
    """Return up to ``num`` rows of (n, dim) unit vectors, each the farthest from those before it.

    Begins with the row nearest to the mean (Gonzalez, 1985: at most twice the best covering
    radius). Rows equal to a chosen one are never chosen.
    """
    if not len(vectors):
        return []
    chosen = [int(np.argmax(vectors @ vectors.mean(axis=0)))]
    nearest = vectors @ vectors[chosen[0]]
    while len(chosen) < min(num, len(vectors)):
        farthest = int(np.argmin(nearest))
        if nearest[farthest] > 1 - 1e-5:
            break
        chosen.append(farthest)
        nearest = np.maximum(nearest, vectors @ vectors[farthest])
    return chosen


def redundancies(vectors: Floats, lists: npt.NDArray[np.int64]) -> Floats:
    """Return (n, n) float32: how much more alike two candidates are than two of them usually.

    0 up to the lower quartile of cosines of pairs from the same two lists, so that what is of
    another kind gains nothing by it, and texts are not varied pictures because they lie elsewhere;
    above it in standard deviations of those pairs. ``vectors`` is (n, dim) unit vectors, ``lists``
    (n,) the number of each one's list.
    """
    cosines = vectors @ vectors.T
    is_pair = ~np.eye(len(vectors), dtype=bool)
    found = np.zeros_like(cosines)
    for one, other in product(np.unique(lists), repeat=2):
        among = is_pair & (lists[:, None] == one) & (lists == other)
        if among.any():
            usual = np.quantile(cosines[among], _USUAL)
            spread = max(float(cosines[among].std()), 1e-6)
            found[among] = np.maximum(cosines[among] - usual, 0) / spread
    return found


def varied(redundant: Floats, num: int, diversity: float) -> list[int]:
    """Return up to ``num`` of n candidates, given best first, that repeat little chosen before.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998) by ranks: each step takes the
    least ``(1 - diversity) rank + diversity REPETITION redundancy``, the latter summed over those
    chosen. ``redundant`` is (n, n), of ``redundancies``; ``diversity`` is from 0, the order as
    given, to 1.
    """
    repeats = np.zeros(len(redundant), np.float32)
    cost = (1 - diversity) * np.arange(len(redundant), dtype=np.float32)
    chosen: list[int] = []
    while len(chosen) < min(num, len(redundant)):
        best = int(np.argmin(cost + diversity * REPETITION * repeats))
        chosen.append(best)
        cost[best] = np.inf
        repeats += redundant[best]
    return chosen


def mean_distance(vectors: Floats) -> float:
    """Return the mean cosine distance of all pairs of (n, dim) unit vectors; 0 below two."""
    num = len(vectors)
    if num < 2:
        return 0.0
    cosines = vectors @ vectors.T
    return float(1 - (cosines.sum() - np.trace(cosines)) / (num * (num - 1)))
