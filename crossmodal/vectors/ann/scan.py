"""Find the candidates for a query among codes: near lists, then sign bits, then bytes.

Nothing here knows whether a vector still exists. Every step is a numpy call over thousands of rows,
so a scan lets other threads run.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from crossmodal.vectors.ann.allowed import Allowed
from crossmodal.vectors.ann.generation import OpenCodes, Segment, counted
from crossmodal.vectors.ann.quantiser import Basis
from crossmodal.vectors.ann.rescore import Asked, Candidates, coarse
from crossmodal.vectors.ann.sign_bits import Estimate, Scanned, scan


@dataclass(frozen=True, slots=True)
class Effort:
    """Say how much of the codes a query goes through."""

    share: float
    """Of the vectors, those in the nearest lists, whose bits are compared."""
    num_refined: int
    """Of these the best, whose bytes are compared."""
    min_scanned: int = 30_000
    """So many vectors at least, however small the share."""

    def num_scanned(self, num_all: int) -> float:
        """Return how many of all vectors have their bits compared, at least."""
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
"""From cheap to thorough; the audit finds the cheapest that reaches its target."""


def candidates(
    codes: OpenCodes, query: np.ndarray, effort: Effort, allowed: Allowed | None = None
) -> Candidates:
    """Return up to ``effort.num_refined`` of the nearest vectors to a (dim,) float32 query."""
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
    asked = Asked(turned, np.float32(query @ basis.mean))
    parts = [
        coarse(segment, rows, asked)
        for segment, rows in zip(codes.segments, _best(found, effort.num_refined), strict=True)
    ]
    return Candidates(asked, parts, num_all=int(num_all.sum()))


def _counting(segment: Segment, allowed: Allowed | None) -> tuple[np.ndarray | None, np.ndarray]:
    """Return which rows pass, (n,) bool or None for all, and how many of each list count."""
    if allowed is None:
        return None, segment.sizes
    mask = allowed.among(segment.ids)
    return mask, counted(segment.starts, mask)


def _nearest_lists(
    basis: Basis, centred: np.ndarray, sizes: np.ndarray, effort: Effort
) -> np.ndarray:
    """Return the nearest lists that together hold enough rows, in the order of their numbers."""
    order = basis.lists_by_nearness(centred)
    wanted = effort.num_scanned(sizes.sum())
    num_lists = int(np.searchsorted(np.cumsum(sizes[order]), wanted)) + 1
    return np.sort(order[:num_lists])


def _best(found: list[Scanned], num: int) -> list[np.ndarray]:
    """Return for each segment which rows are among the ``num`` best of all, in their order."""
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
