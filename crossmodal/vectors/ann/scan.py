"""Find candidates for a query: probe the nearest lists, rank by sign bits, rescore by int8 codes.

Does not know whether a vector still exists. Every step is one numpy call over thousands of rows, so
that a scan releases the interpreter lock for other threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossmodal.vectors.ann.generation import OpenCodes, Segment, counted
from crossmodal.vectors.ann.quantiser import Basis
from crossmodal.vectors.ann.rescore import Candidates, RotatedQuery, score_by_bytes
from crossmodal.vectors.ann.sign_bits import Estimate, EstimatedScores, scan


@dataclass(frozen=True, slots=True)
class Allowed:
    """Hold a lookup table of the chunk ids that pass a filter."""

    by_id: np.ndarray
    """(largest id + 2,) bool; the last entry stands for all larger ids."""

    @classmethod
    def of(cls, chunk_ids: np.ndarray) -> Allowed:
        """Return the table for (n,) non-negative int64 ids."""
        by_id = np.zeros(int(chunk_ids.max(initial=-1)) + 2, dtype=bool)
        by_id[chunk_ids] = True
        return cls(by_id)

    @classmethod
    def all_but(cls, chunk_ids: np.ndarray) -> Allowed:
        """Return the table of what (n,) non-negative int64 ids leave."""
        by_id = np.ones(int(chunk_ids.max(initial=-1)) + 2, dtype=bool)
        by_id[chunk_ids] = False
        return cls(by_id)

    def among(self, chunk_ids: np.ndarray) -> np.ndarray:
        """Return (n,) bool: whether each of (n,) int64 ids passes."""
        last = len(self.by_id) - 1
        return np.asarray(self.by_id[np.clip(chunk_ids, 0, last)] & (chunk_ids >= 0))


@dataclass(frozen=True, slots=True)
class Effort:
    """Define how much of the index a query scans."""

    share: float
    """Share of the vectors, those in the nearest lists, whose sign bits are compared."""
    num_refined: int
    """Number of the best of these that are rescored by int8 codes."""
    min_scanned: int = 30_000
    """Lower bound of the number of vectors scanned."""

    def num_scanned(self, num_all: int) -> float:
        """Return the smallest number of vectors to scan out of ``num_all``."""
        return max(self.share * num_all, self.min_scanned)


EFFORTS = (
    Effort(0.05, 2000),
    Effort(0.07, 2500),
    Effort(0.1, 3000),
    Effort(0.15, 4000),
    Effort(0.2, 5000),
    Effort(0.3, 7000),
    Effort(0.5, 10_000),
    Effort(1.0, 20_000),
)
"""Cheapest first; the audit chooses the first that reaches its target."""


def candidates(
    codes: OpenCodes, query: np.ndarray, effort: Effort, allowed: Allowed | None = None
) -> Candidates:
    """Return up to ``effort.num_refined`` candidates for a (dim,) float32 query."""
    basis = codes.basis
    turned, centred = np.stack([query, query - basis.mean]) @ basis.rotation
    masks, sizes = zip(*(_counting(segment, allowed) for segment in codes.segments), strict=True)
    num_all = np.sum(sizes, axis=0)
    lists = _nearest_lists(basis, centred, num_all, effort)
    estimate = Estimate.of(basis, centred - basis.centres[lists])
    found = [
        scan(segment, mask, lists, estimate)
        for segment, mask in zip(codes.segments, masks, strict=True)
    ]
    rotated = RotatedQuery(turned, np.float32(query @ basis.mean))
    parts = [
        score_by_bytes(segment, rows, rotated)
        for segment, rows in zip(codes.segments, _best(found, effort.num_refined), strict=True)
    ]
    return Candidates(rotated, parts, num_all=int(num_all.sum()))


def _counting(segment: Segment, allowed: Allowed | None) -> tuple[np.ndarray | None, np.ndarray]:
    """Return a mask of the rows that pass, (n,) bool or None for all, and their number per list."""
    if allowed is None:
        return None, segment.sizes
    mask = allowed.among(segment.ids)
    return mask, counted(segment.starts, mask)


def _nearest_lists(
    basis: Basis, centred: np.ndarray, sizes: np.ndarray, effort: Effort
) -> np.ndarray:
    """Return the nearest lists that hold enough rows, ordered by list number."""
    order = basis.lists_by_nearness(centred)
    wanted = effort.num_scanned(sizes.sum())
    num_lists = int(np.searchsorted(np.cumsum(sizes[order]), wanted)) + 1
    return np.sort(order[:num_lists])


def _best(found: list[EstimatedScores], num: int) -> list[np.ndarray]:
    """Return per segment the rows among the ``num`` best of all segments, in row order."""
    scores = np.concatenate([scanned.scores for scanned in found])
    last = -np.inf
    if len(scores) > num:
        last = np.partition(scores, len(scores) - num)[len(scores) - num]
    chosen = np.flatnonzero(scores >= max(last, np.finfo(np.float32).min))
    if len(chosen) > num:
        # Equal scores: the best first, then by position.
        chosen = np.sort(chosen[np.argsort(-scores[chosen], kind="stable")[:num]])
    borders = np.cumsum([0, *(len(scanned.scores) for scanned in found)])
    cuts = np.searchsorted(chosen, borders)
    return [
        scanned.rows(chosen[cuts[i] : cuts[i + 1]] - borders[i]) for i, scanned in enumerate(found)
    ]
