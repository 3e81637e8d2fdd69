"""Rescore candidates with int8 codes, the best also with the int16 residuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crossmodal.vectors.ann.files import CodesDamaged
from crossmodal.vectors.ann.generation import Segment
from crossmodal.vectors.ann.layout import checksum
from crossmodal.vectors.ann.quantiser import REST_UNITS

_BLOCK_ROWS = 128


class Asked(NamedTuple):
    """Hold a query as the bytes see it."""

    turned: np.ndarray
    """(dim,) float32: rotated."""
    offset: np.float32
    """What the mean of all vectors adds to each score."""


class Coarse(NamedTuple):
    """Hold rows of one segment that were scored by their bytes; none is deleted."""

    segment: Segment
    rows: np.ndarray
    """(n,) int64."""
    scores: np.ndarray
    """(n,) float32, cosines to within some thousandths."""


class Close(NamedTuple):
    """Hold what is closest, best first; equal scores in the order of their chunk ids."""

    chunk_ids: np.ndarray
    """(n,) int64."""
    scores: np.ndarray
    """(n,) float32, cosines, to the precision of float32."""
    ceiling: float
    """What no other vector exceeds, as far as the errors seen tell; -inf where there is none."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Hold what may be near a query."""

    asked: Asked
    parts: Sequence[Coarse]
    num_all: int
    """Vectors that there are."""

    def __len__(self) -> int:
        """Return how many may be near."""
        return sum(len(part.rows) for part in self.parts)

    def closest(self, num: int) -> Close:
        """Return the ``num`` best.

        Raises:
            CodesDamaged: a byte of theirs is not what was written.
        """
        parts = self._best(num)
        coarse_scores = np.concatenate([part.scores for part in parts])
        scores = np.concatenate([_fine(part, self.asked) for part in parts])
        ids = np.concatenate([part.segment.ids[part.rows] for part in parts])
        order = np.lexsort((ids, -scores))
        ceiling = -np.inf
        if len(ids) < self.num_all:
            ceiling = coarse_scores.min(initial=1) + np.abs(coarse_scores - scores).max(initial=0)
        return Close(ids[order], scores[order], float(ceiling))

    def _best(self, num: int) -> list[Coarse]:
        """Return the ``num`` best by their bytes."""
        if num >= len(self):
            return list(self.parts)
        scores = np.concatenate([part.scores for part in self.parts])
        chosen = np.argpartition(scores, len(scores) - num)[len(scores) - num :]
        borders = np.cumsum([0, *(len(part.rows) for part in self.parts)])
        best = []
        for part, first, end in zip(self.parts, borders[:-1], borders[1:], strict=True):
            here = chosen[(chosen >= first) & (chosen < end)] - first
            best.append(Coarse(part.segment, part.rows[here], part.scores[here]))
        return best


def coarse(segment: Segment, rows: np.ndarray, asked: Asked) -> Coarse:
    """Score these rows, (n,) int64, by their bytes; leaves out what was deleted."""
    rows = rows[segment.ids[rows] >= 0]
    products = np.empty(len(rows), dtype=np.float32)
    room = (_BLOCK_ROWS, segment.codes.shape[1])
    taken, values = np.empty(room, dtype=np.int8), np.empty(room, dtype=np.float32)
    for start in range(0, len(rows), _BLOCK_ROWS):
        part = rows[start : start + _BLOCK_ROWS]
        # Any mode but the default writes into the buffer at once; the rows are within bounds.
        np.take(segment.codes, part, axis=0, out=taken[: len(part)], mode="clip")
        np.copyto(values, taken)
        np.matmul(values[: len(part)], asked.turned, out=products[start : start + len(part)])
    return Coarse(segment, rows, products * segment.steps[rows] + asked.offset)


def _fine(part: Coarse, asked: Asked) -> np.ndarray:
    """Return (n,) float32: the scores by bytes and rests, each row of which is checked first."""
    segment, rows = part.segment, part.rows
    codes, rests, steps = segment.codes[rows], segment.rests[rows], segment.steps[rows]
    if list(map(checksum, codes, rests, steps)) != segment.checksums[rows].tolist():
        raise CodesDamaged("a vector's codes are not what was written")
    products = (codes + rests / np.float64(REST_UNITS)) @ asked.turned
    return np.asarray(products * steps + asked.offset, np.float32)
