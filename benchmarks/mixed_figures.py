"""Compute what the mixed benchmark prints: gains, paired intervals, how well answers tell."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

_NUM_RESAMPLES = 2000


def ndcg(gains: Sequence[bool], num_relevant: int, k: int = 10) -> float:
    """Return nDCG@k of a ranking with binary judgements."""
    found = sum(1 / math.log2(i + 2) for i, gain in enumerate(gains[:k]) if gain)
    ideal = sum(1 / math.log2(i + 2) for i in range(min(k, num_relevant)))
    return found / ideal if ideal else 0.0


def interval(
    differences: dict[str, np.ndarray], clusters: dict[str, list[str]], seed: int = 0
) -> tuple[float, float]:
    """Return the 95 % interval of the mean over tasks of paired differences.

    Questions about one thing are drawn together, within each task.
    """
    rng = np.random.default_rng(seed)
    means = np.zeros(_NUM_RESAMPLES)
    for task, values in differences.items():
        groups: dict[str, list[float]] = defaultdict(list)
        for name, value in zip(clusters[task], values, strict=True):
            groups[name].append(value)
        sums = np.array([sum(group) for group in groups.values()])
        sizes = np.array([len(group) for group in groups.values()])
        drawn = rng.integers(0, len(sums), (_NUM_RESAMPLES, len(sums)))
        means += sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1) / len(differences)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def auroc(answerable: np.ndarray, other: np.ndarray) -> float:
    """Return how often an answerable question scores above one that nothing answers."""
    above = (answerable[:, None] > other[None, :]).mean()
    return float(above + 0.5 * (answerable[:, None] == other[None, :]).mean())


def cut_at(other: np.ndarray, false_alarms: float = 0.05) -> float:
    """Return the score that this share of the unanswerable questions reaches."""
    return float(np.quantile(other, 1 - false_alarms))


def table(rows: list[dict[str, object]]) -> str:
    """Return rows as a Markdown table."""
    head = list(rows[0])
    lines = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    for row in rows:
        cells = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
