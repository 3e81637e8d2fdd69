"""Find the candidates for a query among codes: near lists, then sign bits, then bytes.

The order is that of approximate scores; nothing here knows whether a vector still exists. Every
step is a numpy call over thousands of rows, so a scan lets other threads run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tasks.storage.codes.opened import OpenCodes, Segment, counted
from tasks.storage.codes.space import Basis, sign_bits

# Rows whose bits are compared at once: what stays in a core's cache.
_GROUP_ROWS = 8192
_REFINED_ROWS = 256
# With fewer rows a list, to gather them costs less than a numpy call for each list.
_FEW_ROWS = 64


@dataclass(frozen=True, slots=True)
class Effort:
    """Say how much of the codes a query goes through."""

    share: float
    """Of the vectors, those in the nearest lists, whose bits are compared."""
    num_refined: int
    """Of these the best, whose bytes are compared."""
    min_scanned: int = 30_000
    """So many vectors at least, however small the share."""


EFFORTS = (Effort(0.15, 4000), Effort(0.4, 8000), Effort(1.0, 20_000))
"""From cheap to thorough; the audit finds the cheapest that reaches its target."""


@dataclass(frozen=True, slots=True)
class Candidates:
    """Hold what may be near, nearest first; equal scores in the order of their chunk ids."""

    chunk_ids: np.ndarray
    """(n,) int64."""
    scores: np.ndarray
    """(n,) float32, approximate cosines."""
    complete: bool
    """Whether these are all the vectors that there are."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Hold which chunks pass a filter."""

    by_id: np.ndarray
    """(largest id + 2,) bool; the last is False and stands for every id that is not in here."""

    @classmethod
    def of(cls, chunk_ids: np.ndarray) -> Allowed:
        """Return what lets through exactly these, none of which is negative."""
        by_id = np.zeros(int(chunk_ids.max(initial=-1)) + 2, dtype=bool)
        by_id[chunk_ids] = True
        return cls(by_id)

    def among(self, chunk_ids: np.ndarray) -> np.ndarray:
        """Return (n,) bool for (n,) int64 ids."""
        last = len(self.by_id) - 1
        inside = (chunk_ids >= 0) & (chunk_ids < last)
        return np.asarray(self.by_id[np.where(inside, chunk_ids, last)])


def candidates(
    codes: OpenCodes, query: np.ndarray, effort: Effort, allowed: Allowed | None = None
) -> Candidates:
    """Return up to ``effort.num_refined`` of the nearest vectors to a (dim,) float32 query."""
    basis = codes.basis
    turned, centred = np.stack([query, query - basis.mean]) @ basis.rotation
    masks, sizes = zip(*(_counting(segment, allowed) for segment in codes.segments), strict=True)
    num_all = np.sum(sizes, axis=0)
    lists = _nearest_lists(basis.centres, centred, num_all, effort)
    estimate = _Estimate.of(basis, centred - basis.centres[lists])
    found = [
        _scan(segment, mask, lists, estimate)
        for segment, mask in zip(codes.segments, masks, strict=True)
    ]
    chosen = _best(found, effort.num_refined)
    scores = [_refine(s, rows, turned) for s, rows in zip(codes.segments, chosen, strict=True)]
    ids = np.concatenate([s.ids[rows] for s, rows in zip(codes.segments, chosen, strict=True)])
    score = np.concatenate(scores) + np.float32(query @ basis.mean)
    order = _order(ids, score)
    # Deleted vectors are few: to sieve them out here costs less than to do so in every scan.
    order = order[ids[order] >= 0]
    return Candidates(ids[order], score[order], complete=len(order) == num_all.sum())


@dataclass(frozen=True, slots=True)
class _Estimate:
    """Turn the number of differing bits into a score, for each of the lists to go through."""

    bits: np.ndarray
    """(num_words, lists) uint64, of the query as seen from each centre."""
    base: np.ndarray
    """(lists,) float32."""
    slope: np.ndarray
    """(lists,) float32."""

    @classmethod
    def of(cls, basis: Basis, gaps: np.ndarray) -> _Estimate:
        """Return it for the (lists, dim) differences between a query and the centres."""
        lean = 2 * basis.gain * np.abs(gaps).mean(axis=1)
        return cls(
            np.ascontiguousarray(sign_bits(gaps).T),
            (basis.dim * lean - (gaps * gaps).sum(axis=1)).astype(np.float32),
            (-2 * lean).astype(np.float32),
        )


def _counting(segment: Segment, allowed: Allowed | None) -> tuple[np.ndarray | None, np.ndarray]:
    """Return which rows pass, (n,) bool or None for all, and how many of each list count."""
    if allowed is None:
        return None, segment.sizes
    mask = allowed.among(segment.ids)
    return mask, counted(segment.starts, mask)


def _nearest_lists(
    centres: np.ndarray, centred: np.ndarray, sizes: np.ndarray, effort: Effort
) -> np.ndarray:
    """Return the nearest lists that together hold enough rows, in the order of their numbers."""
    order = np.argsort(np.einsum("ij,ij->i", centres, centres) - 2 * (centres @ centred))
    wanted = max(effort.share * sizes.sum(), effort.min_scanned)
    num_lists = int(np.searchsorted(np.cumsum(sizes[order]), wanted)) + 1
    return np.sort(order[:num_lists])


@dataclass(frozen=True, slots=True)
class _Scanned:
    """Hold the estimates of the rows of some lists, one list after another."""

    starts: np.ndarray
    """(lists,) int64: the first row of each."""
    sizes: np.ndarray
    """(lists,) int64."""
    scores: np.ndarray
    """(m,) float32; -inf for a row that does not count."""

    def rows(self, positions: np.ndarray) -> np.ndarray:
        """Return which rows of the segment, (n,) int64, stand at these positions."""
        number = np.searchsorted(np.cumsum(self.sizes), positions, side="right")
        return np.asarray(positions + _shifts(self.starts, self.sizes)[number])


def _scan(
    segment: Segment, mask: np.ndarray | None, lists: np.ndarray, estimate: _Estimate
) -> _Scanned:
    """Estimate the scores of the rows of these lists."""
    starts = segment.starts[lists]
    sizes = segment.starts[lists + 1] - starts
    are_few = sizes.sum() < _FEW_ROWS * len(lists)
    compare = _compare_gathered if are_few else _compare_by_list
    differing = compare(segment.bits, starts, sizes, estimate.bits)
    scores = np.repeat(estimate.slope, sizes) * differing + np.repeat(estimate.base, sizes)
    if mask is not None and len(scores):
        passing = [mask[first : first + n] for first, n in zip(starts, sizes, strict=True)]
        scores[~np.concatenate(passing)] = -np.inf
    return _Scanned(starts, sizes, scores)


def _compare_gathered(
    bits: np.ndarray, starts: np.ndarray, sizes: np.ndarray, asked: np.ndarray
) -> np.ndarray:
    """Return (m,) uint16: in how many bits the rows of each list differ from what it is asked."""
    number = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.arange(len(number)) + _shifts(starts, sizes)[number]
    counts = np.bitwise_count(bits[:, rows] ^ asked[:, number])
    return np.asarray(np.add.reduce(counts, axis=0, dtype=np.uint16))


def _shifts(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return (lists,) int64: what leads from a position among the rows of all lists to the row."""
    return np.asarray(starts + sizes - np.cumsum(sizes))


def _compare_by_list(
    bits: np.ndarray, starts: np.ndarray, sizes: np.ndarray, asked: np.ndarray
) -> np.ndarray:
    """Return what ``_compare_gathered`` does."""
    ends = starts + sizes
    differing = np.empty(int(sizes.sum()), dtype=np.uint16)
    room = len(bits) * (_GROUP_ROWS + int(sizes.max(initial=0)))
    # Fresh memory costs more than what is done in it, hence one buffer for all groups.
    words, counts = np.empty(room, dtype=np.uint64), np.empty(room, dtype=np.uint8)
    at = 0
    for group in _groups(sizes):
        shape = (len(bits), int(sizes[group].sum()))
        xored = words[: shape[0] * shape[1]].reshape(shape)
        column = 0
        for i in range(group.start, group.stop):
            stop = column + int(sizes[i])
            part = bits[:, starts[i] : ends[i]]
            np.bitwise_xor(part, asked[:, i, None], out=xored[:, column:stop])
            column = stop
        counted = np.bitwise_count(xored, out=counts[: xored.size].reshape(shape))
        np.add.reduce(counted, axis=0, dtype=np.uint16, out=differing[at : at + column])
        at += column
    return differing


def _refine(segment: Segment, rows: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """Return (m,) float32: the products of a turned query and the bytes of these rows."""
    products = np.empty(len(rows), dtype=np.float32)
    block = np.empty((_REFINED_ROWS, segment.codes.shape[1]), dtype=np.float32)
    for start in range(0, len(rows), _REFINED_ROWS):
        part = rows[start : start + _REFINED_ROWS]
        values = block[: len(part)]
        np.copyto(values, segment.codes[part])
        np.matmul(values, turned, out=products[start : start + len(part)])
    return np.asarray(products * segment.steps[rows])


def _groups(sizes: np.ndarray) -> Iterator[slice]:
    """Yield runs of lists that hold about as many rows as are compared at once."""
    group = np.cumsum(sizes) // _GROUP_ROWS
    borders = np.flatnonzero(np.diff(group, prepend=-1, append=-2))
    for start, stop in pairwise(borders):
        yield slice(int(start), int(stop))


def _best(found: list[_Scanned], num: int) -> list[np.ndarray]:
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


def _order(ids: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return the positions by falling score and, where scores are equal, by rising id."""
    order = np.argsort(-scores)
    ranked = scores[order]
    if bool((ranked[1:] == ranked[:-1]).any()):  # rare, and a sort by both takes ten times as long
        return np.lexsort((ids, -scores))
    return order
