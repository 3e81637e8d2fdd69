"""Merge the lists of several modalities and spaces into one, so that none drowns another.

Cosines of different spaces, and of different modalities in one space, do not compare: in a joint
space every text is nearer to a text than to any picture. So lists are merged by rank (reciprocal
rank fusion; Cormack, Clarke and Buettcher, SIGIR 2009), and where ranks are equal by how far a
score stands out from the others of its own list.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from crossmodal.records import Hit

RANK_CONSTANT = 60
"""How slowly a rank loses weight; 60 is the value of the paper."""

# However deep a list was read, so that a hit stands where it stood on the page before.
_TOP = 100


def fuse(lists: Sequence[Sequence[Hit]]) -> list[Hit]:
    """Return the hits of all lists, best first; a single list stays as it is.

    A chunk that stands in several lists gathers their weight and appears once.
    """
    filled = [hits for hits in lists if hits]
    if len(filled) <= 1:
        return [hit for hits in filled for hit in hits]
    first: dict[int, Hit] = {}
    weights: dict[int, float] = {}
    salience: dict[int, float] = {}
    for hits in filled:
        for place, (hit, standing) in enumerate(zip(hits, _standing_out(hits), strict=True)):
            weights[hit.chunk_id] = weights.get(hit.chunk_id, 0) + 1 / (RANK_CONSTANT + place + 1)
            salience[hit.chunk_id] = max(salience.get(hit.chunk_id, standing), standing)
            first.setdefault(hit.chunk_id, hit)

    def key(hit: Hit) -> tuple[float, float, int]:
        return -weights[hit.chunk_id], -salience[hit.chunk_id], hit.chunk_id

    return sorted(first.values(), key=key)


def _standing_out(hits: Sequence[Hit]) -> list[float]:
    """Return for each score its distance in standard deviations from the mean of the list's top."""
    top = [hit.score for hit in hits[:_TOP]]
    mean, spread = statistics.fmean(top), statistics.pstdev(top)
    return [(hit.score - mean) / spread if spread else 0.0 for hit in hits]


def best_of_each_source(hits: Sequence[Hit]) -> list[Hit]:
    """Return the first hit of each source, so that one long document does not fill the answer."""
    seen: set[str] = set()
    best = []
    for hit in hits:
        if hit.uri not in seen:
            seen.add(hit.uri)
            best.append(hit)
    return best
