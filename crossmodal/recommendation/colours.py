"""Turn the colours of pictures into directions that set them apart, and say when they are meant.

Who likes three red cars may mean red, who likes three dresses hardly means their colours, and
three likes cannot tell. Three likes and three dislikes can: where likes agree in colours that
dislikes do not have, and what is seen hardly sets the two apart, colours are what is left. Pure
arithmetic on histograms of colours and on vectors; knows no collection.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossmodal.search.centring import normalised

Floats = npt.NDArray[np.float32]


WEIGHT = 0.5
"""Of the likeness in colours beside that in what is seen, where colours count whole.

Chosen on cars that are neither red nor blue, of 0.1 to 4.
"""
FEWEST = 3
"""Likes, and dislikes, that can tell; with fewer it was not measured."""
_SURE = 1.0
"""How much more colours have to tell than what is seen does: a wrong guess costs more than a right
one brings. Chosen, with the factors below, on clothing, on cars that are not red and on CIFAR-10:
docs/recommend.md says how.
"""


def are_meant(colours: tuple[Floats, Floats], seen: tuple[Floats, Floats]) -> bool:
    """Say whether colours, more than what is seen, set likes apart from dislikes.

    ``colours`` are the histograms of (p, 16) likes and (m, 16) dislikes, rows of zeros where they
    are not known; ``seen`` their (p, dim) and (m, dim) unit vectors.
    """
    likes, dislikes = (rows[rows.any(axis=1)] for rows in colours)
    if min(len(likes), len(dislikes)) < FEWEST:
        return False
    middle = np.concatenate([likes, dislikes]).mean(axis=0)
    among, across = _alike(normalised(likes - middle), normalised(dislikes - middle))
    among_seen, across_seen = _alike(*seen)
    return (among - 2 * across) - (3 * among_seen - 2 * across_seen) >= _SURE


def _alike(likes: Floats, dislikes: Floats) -> tuple[float, float]:
    """Return the mean cosine of (p, c) unit rows to each other, and to (m, c) others."""
    among = (likes @ likes.T)[np.triu_indices(len(likes), 1)]
    return float(among.mean()), float((likes @ dislikes.T).mean())


def as_they_count(histograms: Floats, share: float) -> Floats:
    """Return (n, 16) float32: colours without what all have in common, of the length they count.

    ``histograms`` is (n, 16); rows of zeros, colours that are not known, stay zeros. ``share`` is
    from 0, not at all, to 1.
    """
    known = histograms.any(axis=1)
    apart = np.zeros_like(histograms)
    if known.any():
        apart[known] = normalised(histograms[known] - histograms[known].mean(axis=0))
    return np.asarray(apart * np.sqrt(WEIGHT * share), np.float32)
