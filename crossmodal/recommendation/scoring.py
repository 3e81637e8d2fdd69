"""Score candidates by how near they are to what is liked and how far from what is disliked.

Pure arithmetic on similarities; knows no collection and no chunk. Invariant: with likes alone the
order is that of the likes' similarity, with dislikes alone its reverse, and under ``best`` a
candidate that is nearer to a like than to any dislike comes before every one that is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from crossmodal.errors import FilterError

Strategy = Literal["spread", "best", "sum", "average"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)

Floats = npt.NDArray[np.float32]

_HALF = 0.5
_PUSH = 0.75
"""Of dislikes beside likes, with ``spread``.

Of 0.5, 0.75 and 1, the one that both keeps to likes and away from dislikes, on the kinds that tune.
"""
# More than any two scores differ: similarities in units of their spread stay below 1 / 0.001.
_LAST = 1000.0


def strategy_named(name: str) -> Strategy:
    """Return the strategy of this name.

    Raises:
        FilterError: there is none.
    """
    for strategy in STRATEGIES:
        if strategy == name:
            return strategy
    raise FilterError(f"there is no strategy {name!r}: choose one of {', '.join(STRATEGIES)}")


def score(likes: Floats, dislikes: Floats, weights: Floats, strategy: Strategy) -> Floats:
    """Return (n,) float32 scores of n candidates, the higher the better.

    ``likes`` is (n, p) and ``dislikes`` (n, m): similarities of each candidate with each example,
    in units of how much unrelated ones differ; ``weights`` is (p,), above 0 to 1: how much each
    like counts. ``spread`` is the mean like less three quarters of the mean dislike, and is
    meant for how far examples spread (``spreading``). ``best`` is the nearest like less half the
    nearest dislike, each softened so that the second nearest helps, and what is nearer to a
    dislike comes last: Qdrant's best score with both sides in it, as its issue 4235 asks. ``sum``
    adds and subtracts all. ``average`` is the similarity with the vector ``2 mean(likes) -
    mean(dislikes)``, but for its length, as Qdrant's average vector.

    Raises:
        FilterError: there is no such strategy.
    """
    strategy_named(strategy)
    if strategy == "best":
        return _best(likes, dislikes, weights)
    if strategy == "spread":
        pull = weights / weights.sum() if len(weights) else weights
        push = np.full(dislikes.shape[1], _PUSH / max(dislikes.shape[1], 1), np.float32)
        return np.asarray(likes @ pull - dislikes @ push, np.float32)
    if strategy == "sum":
        return np.asarray(likes @ weights - dislikes.sum(axis=1), np.float32)
    pull, push = average_weights(weights, dislikes.shape[1])
    return np.asarray(likes @ pull + dislikes @ push, np.float32)


def average_weights(weights: Floats, num_dislikes: int) -> tuple[Floats, Floats]:
    """Return (p,) and (m,) float32: how much each like and dislike counts in the average vector."""
    factor = 2.0 if num_dislikes else 1.0
    pull = factor * weights / weights.sum() if len(weights) else weights
    push = np.full(num_dislikes, -1.0 / max(num_dislikes, 1), np.float32)
    return np.asarray(pull, np.float32), push


def session_weights(num_likes: int) -> Floats:
    """Return (n,) float32 weights of likes in the order of time: the last 1, each before half."""
    weights: Floats = (0.5 ** np.arange(num_likes - 1, -1, -1)).astype(np.float32)
    return np.maximum(weights, np.float32(1e-6))


def _best(likes: Floats, dislikes: Floats, weights: Floats) -> Floats:
    even = np.ones(dislikes.shape[1], np.float32)
    scores = _soft_largest(likes, weights) - _HALF * _soft_largest(dislikes, even)
    is_disliked = _largest(likes + np.log(weights)) <= _largest(dislikes)
    return np.asarray(np.where(is_disliked, scores - _LAST, scores), np.float32)


def _soft_largest(similarities: Floats, weights: Floats) -> Floats:
    """Return (n,) the logarithm of the weighted mean of exponentials; 0 without examples."""
    if not similarities.shape[1]:
        return np.zeros(len(similarities), np.float32)
    top = similarities.max(axis=1, keepdims=True)
    mean = np.exp(similarities - top) @ weights / weights.sum()
    return np.asarray(top[:, 0] + np.log(mean), np.float32)


def _largest(similarities: Floats) -> Floats:
    """Return (n,) the nearest example's similarity; 0, that of the unrelated, without examples."""
    if not similarities.shape[1]:
        return np.zeros(len(similarities), np.float32)
    return np.asarray(similarities.max(axis=1), np.float32)


def stacked(vectors: Sequence[Floats], dim: int) -> Floats:
    """Return vectors as (n, dim) float32, also where there are none."""
    return np.stack(vectors) if vectors else np.zeros((0, dim), np.float32)
