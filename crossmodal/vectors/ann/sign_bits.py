"""Estimate scores of the rows of some lists from their sign bits (Hamming distance)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from crossmodal.vectors.ann.generation import Segment
from crossmodal.vectors.ann.quantiser import Basis, sign_bits

# Below this number of rows per list, one gather is cheaper than several numpy calls per list.
_FEW_ROWS = 64
# Rows compared at once: what fits into a core's cache.
_GROUP_ROWS = 8192
_BUFFER_ITEMS = 1024


@dataclass(frozen=True, slots=True)
class Estimate:
    """Map Hamming distances to scores: one affine function per list."""

    bits: np.ndarray
    """(num_words, lists) uint64: sign bits of the query minus each centroid."""
    base: np.ndarray
    """(lists,) float32."""
    slope: np.ndarray
    """(lists,) float32."""

    @classmethod
    def of(cls, basis: Basis, gaps: np.ndarray) -> Estimate:
        """Return the estimate for (lists, dim) differences between a query and the centroids."""
        lean = 2 * basis.gain * np.abs(gaps).mean(axis=1)
        return cls(
            np.ascontiguousarray(sign_bits(gaps).T),
            (basis.dim * lean - np.einsum("ij,ij->i", gaps, gaps)).astype(np.float32),
            (-2 * lean).astype(np.float32),
        )


@dataclass(frozen=True, slots=True)
class EstimatedScores:
    """Hold the estimated scores of the rows of some lists, list after list."""

    starts: np.ndarray
    """(lists,) int64: the first row of each."""
    sizes: np.ndarray
    """(lists,) int64."""
    scores: np.ndarray
    """(m,) float32; -inf for a row that is masked out."""

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return the segment rows, (n,) int64, at positions in ``scores``."""
        ends = np.cumsum(self.sizes)
        number = np.searchsorted(ends, positions, side="right")
        return np.asarray(positions + (self.starts + self.sizes - ends)[number])


def scan(
    segment: Segment, mask: np.ndarray | None, lists: np.ndarray, estimate: Estimate
) -> EstimatedScores:
    """Estimate the scores of the rows of ``lists``; ``mask``, (n,) bool, excludes rows."""
    starts = segment.starts[lists]
    sizes = segment.starts[lists + 1] - starts
    if sizes.sum() < _FEW_ROWS * len(lists):
        differing = _compare_gathered(segment.bits, starts, sizes, estimate.bits)
    else:
        found = [segment.bits_by_list[number] for number in lists.tolist()]
        differing = _compare_by_list(found, sizes, estimate.bits)
    scores = np.repeat(estimate.slope, sizes)
    scores *= differing
    scores += np.repeat(estimate.base, sizes)
    if mask is not None and len(scores):
        passing = [mask[first : first + n] for first, n in zip(starts, sizes, strict=True)]
        scores[~np.concatenate(passing)] = -np.inf
    return EstimatedScores(starts, sizes, scores)


def _compare_gathered(
    bits: np.ndarray, starts: np.ndarray, sizes: np.ndarray, asked: np.ndarray
) -> np.ndarray:
    """Return (m,) uint16 Hamming distances between the rows of each list and its query bits."""
    num_words = len(asked)
    number = np.repeat(np.arange(len(sizes)), sizes)
    before = np.cumsum(sizes) - sizes
    first = (num_words * starts - before)[number] + np.arange(len(number))
    words = first + np.arange(num_words)[:, None] * sizes[number]
    counts = np.bitwise_count(bits[words] ^ asked[:, number])
    return np.asarray(np.add.reduce(counts, axis=0, dtype=np.uint16))


def _compare_by_list(lists: list[np.ndarray], sizes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Return the same as ``_compare_gathered`` for lists of (num_words, m) uint64 each."""
    num_words = len(asked)
    differing = np.empty(int(sizes.sum()), dtype=np.uint16)
    # Allocating costs more than computing here, hence one buffer for all groups.
    room = num_words * (_GROUP_ROWS + int(sizes.max(initial=0)))
    words, counts = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.uint8)
    columns = asked.T[:, :, None]
    at = 0
    with _short_buffer():
        for group in _groups(sizes):
            shape = (num_words, int(sizes[group].sum()))
            xored = words[: shape[0] * shape[1]].reshape(shape)
            end = 0
            for part, column in zip(lists[group], columns[group], strict=True):
                first, end = end, end + part.shape[1]
                np.bitwise_xor(part, column, out=xored[:, first:end])
            counted = np.bitwise_count(xored, out=counts[: xored.size].reshape(shape))
            np.add.reduce(counted, axis=0, dtype=np.uint16, out=differing[at : at + end])
            at += end
    return differing


def _groups(sizes: np.ndarray) -> Iterator[slice]:
    """Yield slices of lists that together hold about ``_GROUP_ROWS`` rows."""
    group = np.cumsum(sizes) // _GROUP_ROWS
    borders = np.flatnonzero(np.diff(group, prepend=-1, append=-2))
    for start, stop in pairwise(borders.tolist()):
        yield slice(start, stop)


@contextmanager
def _short_buffer() -> Iterator[None]:
    """Shrink numpy's ufunc buffer in this thread, which halves the time of a comparison.

    With its default size numpy copies a broadcast operand into the buffer once per element of a
    row.
    """
    before = np.setbufsize(_BUFFER_ITEMS)
    try:
        yield
    finally:
        np.setbufsize(before)
