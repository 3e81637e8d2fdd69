"""Say how far a mean may be from the truth: intervals by bootstrap over items, not over queries.

The five captions of a photo fall together: taken one by one they would promise an interval too
narrow by half. So whole clusters are drawn, with everything that was asked about them. Invariant:
the same values and seed give the same interval, on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NUM_DRAWS = 2000
LEVEL = 0.95
_Z = 1.959963984540054
# Drawn at a time, so that a hundred thousand clusters fit into memory.
_MAX_CELLS = 5_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """Hold a mean and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def interval(values: Floats, clusters: npt.NDArray[np.int64], seed: int = 0) -> Interval:
    """Return the mean of (n,) values with its interval, drawing whole clusters.

    ``clusters`` is (n,): the number of each value's cluster. Percentiles of the drawn means, moved
    away from the mean by sqrt(c / (c - 1)) for c clusters, which the draws are too narrow by. Where
    all values are 0, or all 1, nothing varies and Wilson's interval for c trials stands in.
    """
    sums, counts = _by_cluster(values, clusters)
    mean, num_clusters = float(values.mean()), len(sums)
    if np.ptp(values) == 0:
        return wilson(mean, num_clusters) if mean in (0.0, 1.0) else Interval(mean, mean, mean)
    drawn = _drawn_means(sums, counts, seed)
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    wider = np.sqrt(num_clusters / max(num_clusters - 1, 1))
    return Interval(mean, mean + (float(low) - mean) * wider, mean + (float(high) - mean) * wider)


def difference(
    after: Floats, before: Floats, clusters: npt.NDArray[np.int64], seed: int = 0
) -> Interval:
    """Return the paired mean difference of two runs over the same (n,) queries with its interval.

    Where every query changed alike, by nothing as a rule, there is no spread and no interval.
    """
    changes = after - before
    return interval(changes, clusters, seed) if np.ptp(changes) else _constant(changes)


def apart(after: Floats, before: Floats, seed: int = 0) -> Interval:
    """Return the difference of the means of (n,) and (m,) values of other queries, each drawn anew.

    Widened as ``interval`` is; where neither varies there is no spread and no interval.
    """
    value = float(after.mean() - before.mean())
    sides = [
        (_drawn_means(part, np.ones(len(part)), seed + place) - part.mean())
        * np.sqrt(len(part) / max(len(part) - 1, 1))
        for place, part in enumerate((after, before))
    ]
    low, high = np.quantile(sides[0] - sides[1], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, value + float(low), value + float(high))


def _constant(changes: Floats) -> Interval:
    value = float(changes[0])
    return Interval(value, value, value)


def _by_cluster(values: Floats, clusters: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
    _, index = np.unique(clusters, return_inverse=True)
    sums = np.bincount(index, values).astype(np.float64)
    return sums, np.bincount(index).astype(np.float64)


def _drawn_means(sums: Floats, counts: Floats, seed: int) -> Floats:
    generator, num = np.random.default_rng(seed), len(sums)
    step = max(1, min(NUM_DRAWS, _MAX_CELLS // num))
    means = []
    for start in range(0, NUM_DRAWS, step):
        drawn = generator.integers(0, num, size=(min(step, NUM_DRAWS - start), num))
        means.append(sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1))
    return np.concatenate(means)


def wilson(share: float, num: int) -> Interval:
    """Return Wilson's score interval (1927) of a share among ``num`` trials."""
    middle = (share + _Z**2 / (2 * num)) / (1 + _Z**2 / num)
    half = _Z / (1 + _Z**2 / num) * np.sqrt(share * (1 - share) / num + _Z**2 / (4 * num**2))
    return Interval(share, max(0.0, float(middle - half)), min(1.0, float(middle + half)))
