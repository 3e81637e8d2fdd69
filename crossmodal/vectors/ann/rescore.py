"""Rescore candidates with int8 codes, the best also with the int16 residuals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from crossmodal.vectors.ann.files import CodesDamaged
from crossmodal.vectors.ann.generation import Segment
from crossmodal.vectors.ann.layout import checksum
from crossmodal.vectors.ann.quantiser import RESIDUAL_UNITS

_BLOCK_ROWS = 128


class RotatedQuery(NamedTuple):
    """Hold a query in the rotated space of the codes."""

    turned: np.ndarray
    """(dim,) float32: rotated."""
    offset: np.float32
    """Added to each score: the query times the mean of all vectors."""


class ScoredByBytes(NamedTuple):
    """Hold rows of one segment with approximate scores from int8 codes; no row is deleted."""

    segment: Segment
    rows: np.ndarray
    """(n,) int64."""
    scores: np.ndarray
    """(n,) float32, cosines with errors of a few thousandths."""


class Closest(NamedTuple):
    """Hold the nearest chunks, best first; ties ordered by chunk id."""

    chunk_ids: np.ndarray
    """(n,) int64."""
    scores: np.ndarray
    """(n,) float32, cosines, to the precision of float32."""
    ceiling: float
    """Estimated upper bound of all other scores, by the largest error seen; -inf if none."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Hold the candidates of one query."""

    query: RotatedQuery
    parts: Sequence[ScoredByBytes]
    num_all: int
    """Number of live vectors, candidates or not."""

    def __len__(self) -> int:
        """Return the number of candidates."""
        return sum(len(part.rows) for part in self.parts)

    def closest(self, num: int) -> Closest:
        """Return the ``num`` best.

        Raises:
            CodesDamaged: a checksum does not match.
        """
        parts = self._best(num)
        scores_by_bytes = np.concatenate([part.scores for part in parts])
        scores = np.concatenate([_score_by_residuals(part, self.query) for part in parts])
        ids = np.concatenate([part.segment.ids[part.rows] for part in parts])
        order = np.lexsort((ids, -scores))
        ceiling = -np.inf
        if len(ids) < self.num_all:
            ceiling = scores_by_bytes.min(initial=1) + np.abs(scores_by_bytes - scores).max(
                initial=0
            )
        return Closest(ids[order], scores[order], float(ceiling))

    def _best(self, num: int) -> list[ScoredByBytes]:
        """Return the ``num`` best by their int8 scores."""
        if num >= len(self):
            return list(self.parts)
        scores = np.concatenate([part.scores for part in self.parts])
        chosen = np.argpartition(scores, len(scores) - num)[len(scores) - num :]
        borders = np.cumsum([0, *(len(part.rows) for part in self.parts)])
        best = []
        for part, first, end in zip(self.parts, borders[:-1], borders[1:], strict=True):
            here = chosen[(chosen >= first) & (chosen < end)] - first
            best.append(ScoredByBytes(part.segment, part.rows[here], part.scores[here]))
        return best


def score_by_bytes(segment: Segment, rows: np.ndarray, query: RotatedQuery) -> ScoredByBytes:
    """Score rows, (n,) int64, by their int8 codes; drop deleted ones."""
    rows = rows[segment.ids[rows] >= 0]
    products = np.empty(len(rows), dtype=np.float32)
    room = (_BLOCK_ROWS, segment.codes.shape[1])
    taken, values = np.empty(room, dtype=np.int8), np.empty(room, dtype=np.float32)
    for start in range(0, len(rows), _BLOCK_ROWS):
        part = rows[start : start + _BLOCK_ROWS]
        # Any mode but the default writes into the buffer at once; the rows are within bounds.
        np.take(segment.codes, part, axis=0, out=taken[: len(part)], mode="clip")
        np.copyto(values, taken)
        np.matmul(values[: len(part)], query.turned, out=products[start : start + len(part)])
    return ScoredByBytes(segment, rows, products * segment.steps[rows] + query.offset)


def _score_by_residuals(part: ScoredByBytes, query: RotatedQuery) -> np.ndarray:
    """Return (n,) float32 scores from codes and residuals, after a checksum test of each row."""
    segment, rows = part.segment, part.rows
    codes, residuals, steps = segment.codes[rows], segment.residuals[rows], segment.steps[rows]
    if list(map(checksum, codes, residuals, steps)) != segment.checksums[rows].tolist():
        raise CodesDamaged("a vector's codes are not what was written")
    products = (codes + residuals / np.float64(RESIDUAL_UNITS)) @ query.turned
    return np.asarray(products * steps + query.offset, np.float32)
