"""Search many queries in one pass over codes or vectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from crossmodal.vectors.ann.generation import OpenCodes, Segment
from crossmodal.vectors.ann.scan import Effort


class Best:
    """Maintain the top ids of each of n queries while scores arrive in blocks."""

    def __init__(self, num_queries: int, num_kept: int) -> None:
        self.scores = np.full((num_queries, num_kept), -np.inf, dtype=np.float32)
        self.ids = np.full((num_queries, num_kept), -1, dtype=np.int64)

    def add(self, queries: np.ndarray, chunk_ids: np.ndarray, scores: np.ndarray) -> None:
        """Merge (q, m) float32 scores of m chunks into the top ids of q of the queries."""
        num_kept = self.scores.shape[1]
        if len(chunk_ids) > num_kept:
            top = np.argpartition(-scores, num_kept - 1, axis=1)[:, :num_kept]
            scores, ids = np.take_along_axis(scores, top, axis=1), chunk_ids[top]
        else:
            ids = np.broadcast_to(chunk_ids, scores.shape)
        scores = np.concatenate([self.scores[queries], scores], axis=1)
        ids = np.concatenate([self.ids[queries], ids], axis=1)
        top = np.argpartition(-scores, num_kept - 1, axis=1)[:, :num_kept]
        self.scores[queries] = np.take_along_axis(scores, top, axis=1)
        self.ids[queries] = np.take_along_axis(ids, top, axis=1)


def candidates_of_many(codes: OpenCodes, queries: np.ndarray, effort: Effort, best: Best) -> None:
    """Merge the candidates for (n, dim) float32 queries into ``best``."""
    basis = codes.basis
    turned = queries @ basis.rotation
    offsets = (queries @ basis.mean)[:, None]
    asked = _asked(codes, turned - basis.mean @ basis.rotation, effort)
    for segment in codes.segments:
        for number, askers in asked:
            ids, block = _list(segment, number)
            if len(ids):
                best.add(askers, ids, turned[askers] @ block.T + offsets[askers])


def _asked(codes: OpenCodes, centred: np.ndarray, effort: Effort) -> list[tuple[int, np.ndarray]]:
    """Return per list the queries, (n, dim) and centred, that probe it."""
    sizes = np.sum([segment.sizes for segment in codes.segments], axis=0)
    order = codes.basis.lists_by_nearness(centred)
    before = np.cumsum(sizes[order], axis=1) - sizes[order]
    asks = np.zeros(order.shape, dtype=bool)
    np.put_along_axis(asks, order, before < effort.num_scanned(sizes.sum()), axis=1)
    return list(_by_list(asks))


def _by_list(asks: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for number in range(asks.shape[1]):
        askers = np.flatnonzero(asks[:, number])
        if len(askers):
            yield number, askers


def _list(segment: Segment, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the live ids and vectors of a list, (m, dim) float32, centred and rotated."""
    rows = slice(int(segment.starts[number]), int(segment.starts[number + 1]))
    block = segment.codes[rows].astype(np.float32) * segment.steps[rows, None]
    ids = segment.ids[rows]
    live = ids >= 0
    return (ids, block) if live.all() else (ids[live], block[live])
