"""Let likes and dislikes spread over candidates that are near to each other.

What is liked is seldom one spot: somebody who likes three dresses likes what lies near to many
dresses, also where it lies near to none of the three. A random walk with restarts from an example
over the graph of nearest candidates says so (manifold ranking; Zhou and others, NIPS 2003). The
graph is drawn in the collection's main directions, half whitened, where what sets neighbourhoods
apart counts for more than what many share. Pure arithmetic; knows no collection.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from crossmodal.search.centring import normalised

Floats = npt.NDArray[np.float32]

NUM_NEAR = 30
GOES_ON = 0.6
"""Probability of a further step."""
FLOOR = 0.1
"""Share of a walk below which it makes little difference how far it comes."""
SHARPNESS_BESIDE = 2
"""Power of the cosines that edges weigh where candidates are alike in something else as well."""
# Chosen, with the directions, on every other kind of clothing and on cars that are not red.


def spread(
    candidates: Floats, examples: Floats, directions: Floats, beside: Floats | None = None
) -> Floats:
    """Return (n, p) float32: how much of a walk from each example comes by each candidate, logged.

    A sum of these is a product of the walks: what all likes lead to comes first. ``candidates`` is
    (n, dim) and ``examples`` (p, dim), both centred; ``directions`` (dim, m). ``beside`` is what
    else candidates and examples may be alike in, (n + p, c): it counts as the squared lengths of
    its rows beside 1.
    """
    turned = normalised(np.concatenate([candidates, examples]) @ directions)
    if beside is not None:
        turned = normalised(np.concatenate([turned, beside], axis=1))
    walk = _walk(turned, 1 if beside is None else SHARPNESS_BESIDE)
    starts = np.eye(len(turned), dtype=np.float32)[:, len(candidates) :]
    reached = np.linalg.solve(np.eye(len(walk), dtype=np.float32) - GOES_ON * walk, starts)
    return np.asarray(np.log(np.maximum(reached[: len(candidates)], 0) + FLOOR), np.float32)


def _walk(turned: Floats, sharpness: int) -> Floats:
    """Return (n, n) float32: the symmetric step between nearest neighbours of (n, m) vectors."""
    cosines = turned @ turned.T
    np.fill_diagonal(cosines, 0)
    num = min(NUM_NEAR, len(cosines) - 1)
    least = -np.partition(-cosines, num - 1, axis=1)[:, num - 1 : num]
    edges = np.where(cosines >= least, np.maximum(cosines, 0), 0) ** sharpness
    edges = np.maximum(edges, edges.T)
    degrees = edges.sum(axis=1) + 1e-9
    return np.asarray(edges / np.sqrt(np.outer(degrees, degrees)), np.float32)
