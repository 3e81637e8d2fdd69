"""Choose items that differ: spread over a sample, or relevant and yet unlike each other.

Pure arithmetic on unit vectors; what they stand for is not known here. Equal choices go to the
item that comes first, so the same input always gives the same output.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


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


def marginal_relevance(
    scores: Floats, vectors: Floats, num: int, diversity: float, too_near: float = 2.0
) -> list[int]:
    """Return up to ``num`` of n candidates, best first, that differ from those chosen before.

    Maximal marginal relevance (Carbonell and Goldstein, SIGIR 1998): each step takes the largest
    ``(1 - diversity) score - diversity max cosine with the chosen``. ``scores`` is (n,), of the
    scale of cosines, and ``vectors`` (n, dim) unit vectors. A candidate whose cosine with a chosen
    one is above ``too_near`` is left out.
    """
    open_, nearest = np.ones(len(scores), bool), np.zeros(len(scores), np.float32)
    chosen: list[int] = []
    while len(chosen) < num and open_.any():
        worth = (1 - diversity) * scores - diversity * nearest
        best = int(np.argmax(np.where(open_, worth, -np.inf)))
        chosen.append(best)
        cosines = vectors @ vectors[best]
        nearest = cosines if len(chosen) == 1 else np.maximum(nearest, cosines)
        open_ &= cosines <= too_near
        open_[best] = False
    return chosen


def mean_distance(vectors: Floats) -> float:
    """Return the mean cosine distance of all pairs of (n, dim) unit vectors; 0 below two."""
    num = len(vectors)
    if num < 2:
        return 0.0
    cosines = vectors @ vectors.T
    return float(1 - (cosines.sum() - np.trace(cosines)) / (num * (num - 1)))
