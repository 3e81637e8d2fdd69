"""Turn cosines of any list into merit, which compares across lists and modalities.

Two steps, both without labels. A chunk that lies near to every question is a hub: half of its mean
closeness to the probes is taken off its cosine (CSLS; Conneau et al., ICLR 2018). Then the table of
the list says how many of its chunks would look as good to a generic question: E = n P(S >= s), an
expected count in the manner of BLAST's E-value (Karlin and Altschul, PNAS 1990). Merit is -ln E.
Owns the arithmetic; refuses to know files, models or SQL.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

NUM_NEAREST = 10
"""Probes whose cosines make a hub term."""
HUB_WEIGHT = np.float32(0.5)
MAX_SAMPLED = 20_000
"""Vectors that a table is fitted to."""
NUM_KNOTS = 4096
SAME = np.float32(0.999)
"""Cosine from which two vectors are of one content, but for rounding in the forward pass."""
TAIL_SHARE = 1e-3
"""The best scores, above which a table continues as an exponential."""

_MIN_TAIL = 200
_BATCH_ROWS = 4096
_MIN_EXCESS = 1e-6


@dataclass(frozen=True, slots=True)
class Table:
    """Say how corrected scores of generic questions are distributed in one list."""

    num_vectors: int
    """Vectors of the list when it was fitted."""
    tail_start: float
    """Above this score the tail is exponential."""
    tail_mean: float
    """Mean excess over ``tail_start``."""
    tail_rate: float
    """Share of the scores in the tail."""
    mean_hub: float
    """For a vector whose hub term is not known yet."""
    knots: Floats
    """(NUM_KNOTS,) float32, ascending: evenly spaced quantiles of the scores."""


def hub_terms(vectors: Floats, probes: Floats) -> Floats:
    """Return (n,) float32: the mean of each vector's NUM_NEAREST largest cosines with the probes.

    ``vectors`` are (n, dim) and ``probes`` (p, dim) float32 unit vectors of one space.
    """
    num = min(NUM_NEAREST, len(probes))
    parts = [np.zeros(0, np.float32)]
    for start in range(0, len(vectors), _BATCH_ROWS):
        cosines = vectors[start : start + _BATCH_ROWS] @ probes.T
        nearest = np.partition(cosines, -num, axis=1)[:, -num:]
        parts.append(nearest.mean(axis=1, dtype=np.float32))
    return np.concatenate(parts)


def corrected(cosines: Floats, hubs: Floats) -> Floats:
    """Return the cosines with the weighted hub terms taken off."""
    found: Floats = cosines - HUB_WEIGHT * hubs
    return found


def fit(vectors: Floats, hubs: Floats, probes: Floats, num_vectors: int) -> Table:
    """Return the table of a list from up to MAX_SAMPLED of its vectors, (n, dim), n > 0.

    ``hubs`` are theirs; ``num_vectors`` is the length of the whole list.
    """
    scores = corrected(probes @ vectors.T, hubs[None, :]).ravel()
    scores.sort()
    num_tail = min(len(scores), max(_MIN_TAIL, int(TAIL_SHARE * len(scores))))
    tail = scores[-num_tail:]
    knots = scores[np.linspace(0, len(scores) - 1, NUM_KNOTS).astype(np.int64)]
    return Table(
        num_vectors=num_vectors,
        tail_start=float(tail[0]),
        # Scores that are all alike, as of one vector, would make every better one infinitely good.
        tail_mean=max(float(np.mean(tail - tail[0], dtype=np.float64)), _MIN_EXCESS),
        tail_rate=num_tail / len(scores),
        mean_hub=float(hubs.mean()),
        knots=knots,
    )


def merit(table: Table, scores: Floats, num_vectors: int) -> npt.NDArray[np.float64]:
    """Return -ln E of corrected scores, any shape, in a list of ``num_vectors``.

    0: one chunk of the list would look as good to a generic question; each ln 10 = 2.3 more is a
    tenth of that. Never falls where the score rises.
    """
    log_rate = np.log(table.tail_rate)
    below = 1 - np.searchsorted(table.knots, scores) / NUM_KNOTS
    # Quantiles tie; of two hits between the same two the better score comes first.
    inside = -np.log(np.maximum(below, table.tail_rate)) + 1e-6 * scores
    beyond = -log_rate + (scores - table.tail_start) / table.tail_mean
    found = np.where(scores > table.tail_start, beyond, np.minimum(inside, -log_rate))
    result: npt.NDArray[np.float64] = found - np.log(max(1, num_vectors))
    return result


@dataclass(frozen=True, slots=True)
class MeritOf:
    """Turn cosines in a list into merits, as long as the list is now."""

    table: Table
    num_vectors: int

    def __call__(self, cosines: Floats, hubs: Floats) -> npt.NDArray[np.float64]:
        """Return the merits of cosines with these hub terms, NaN where unknown."""
        known = np.where(np.isnan(hubs), np.float32(self.table.mean_hub), hubs)
        # What asks is itself here, which no hub may push down.
        known = np.where(cosines >= SAME, np.float32(0), known)
        return merit(self.table, corrected(cosines, known), self.num_vectors)

    @property
    def spread(self) -> float:
        """Return the standard deviation of the corrected scores of generic questions."""
        return float(self.table.knots.std())
