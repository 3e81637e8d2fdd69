"""Let colours count where the likes share them, and count the less the more the dislikes do too.

Who likes three red cars may mean red; who likes three dresses of three colours does not. Pure
arithmetic on histograms of colours; knows no collection.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

WEIGHT = 2.0
"""Of standard deviations of likeness in colours, beside those of how far likes spread."""
MOST = 2.0
"""From how much accord on more accord counts no further."""
SHARPNESS = 2
"""Power of the accord: three pictures are a little alike in colours by chance."""
# Chosen on every other kind of clothing and on cars that are neither red nor blue.


def colour_gain(candidates: Floats, likes: Floats, dislikes: Floats) -> Floats:
    """Return (n,) float32: what colours add to standings that are in standard deviations.

    ``candidates`` is (n, 16), ``likes`` (p, 16) and ``dislikes`` (m, 16): unit vectors, or zeros
    where colours are not known. Fewer than two likes with known colours agree on nothing.
    """
    known = candidates.any(axis=1)
    liked, disliked = likes[likes.any(axis=1)], dislikes[dislikes.any(axis=1)]
    gain = np.zeros(len(candidates), np.float32)
    if len(liked) < 2 or known.sum() < 2:
        return gain
    alike = candidates[known] @ liked.mean(axis=0)
    if len(disliked):
        alike = alike - candidates[known] @ disliked.mean(axis=0) / 2
    spread = float(alike.std())
    if spread:
        accord = _accord(candidates[known], liked, disliked)
        gain[known] = WEIGHT * accord**SHARPNESS * (alike - alike.mean()) / spread
    return gain


def _accord(candidates: Floats, likes: Floats, dislikes: Floats) -> float:
    """Return how much more alike the likes are in colours than others are, 0 to ``MOST``.

    In standard deviations of pairs of candidates, above their mean or above how alike likes and
    dislikes are, whichever is more.
    """
    pairs = _pairs(candidates)
    usual, spread = float(pairs.mean()), float(pairs.std())
    if len(dislikes):
        usual = max(usual, float((likes @ dislikes.T).mean()))
    return float(np.clip((_pairs(likes).mean() - usual) / max(spread, 1e-6), 0, MOST))


def _pairs(vectors: Floats) -> Floats:
    """Return the products of all pairs of different rows."""
    first, second = np.triu_indices(len(vectors), 1)
    return np.asarray((vectors @ vectors.T)[first, second], np.float32)
