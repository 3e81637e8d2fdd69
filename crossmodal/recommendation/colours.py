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
_FAR_APART = 1.0
_HARDLY_APART = 0.15
"""Chosen together on clothing and on cars that are not red: docs/recommend.md says how."""


def are_meant(colours: tuple[Floats, Floats], seen: tuple[Floats, Floats]) -> bool:
    """Say whether colours, more than what is seen, set likes apart from dislikes.

    ``colours`` are the histograms of (p, 16) likes and (m, 16) dislikes, rows of zeros where they
    are not known; ``seen`` their (p, dim) and (m, dim) unit vectors.
    """
    likes, dislikes = (rows[rows.any(axis=1)] for rows in colours)
    if min(len(likes), len(dislikes)) < FEWEST:
        return False
    middle = np.concatenate([likes, dislikes]).mean(axis=0)
    by_colours = _margin(normalised(likes - middle), normalised(dislikes - middle))
    return bool(by_colours >= _FAR_APART and _margin(*seen) <= _HARDLY_APART)


def _margin(likes: Floats, dislikes: Floats) -> float:
    """Return how much more alike (p, c) unit rows are to each other than to (m, c) others."""
    among = (likes @ likes.T)[np.triu_indices(len(likes), 1)]
    return float(among.mean() - (likes @ dislikes.T).mean())


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
