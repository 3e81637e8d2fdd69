"""Say what exact search finds, and how much of it was found."""

from __future__ import annotations

import numpy as np

K = 10
_BLOCK_ROWS = 50_000


def exact_ids(stored: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Return (n, K) int64 chunk ids: position in ``stored`` plus one."""
    scores = np.empty((len(queries), len(stored)), dtype=np.float32)
    for start in range(0, len(stored), _BLOCK_ROWS):
        scores[:, start : start + _BLOCK_ROWS] = queries @ stored[start : start + _BLOCK_ROWS].T
    return np.argpartition(-scores, K, axis=1)[:, :K] + 1


def share_found(ids: np.ndarray, wanted: np.ndarray) -> float:
    """Return which share of the (K,) ids that are wanted is among the found ones."""
    return len(np.intersect1d(ids, wanted)) / K
