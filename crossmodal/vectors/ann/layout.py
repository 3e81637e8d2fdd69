"""Say how the rows of a segment lie in its arrays.

The sign bits of a list lie together, the first words of all its rows before their second words: so
that a list is read in one go, and its words are compared without a step from row to row. All else
lies row by row.
"""

from __future__ import annotations

import zlib
from itertools import pairwise

import numpy as np


def lay_out(bits: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return (n * num_words,) uint64, as they lie in a file, of (n, num_words) bits.

    ``starts`` is (num_lists + 1,) int64: where each list begins and the last one ends.
    """
    laid = np.empty(bits.size, dtype=np.uint64)
    views = views_by_list(laid, starts, bits.shape[1])
    for view, (first, end) in zip(views, pairwise(starts.tolist()), strict=True):
        view[:] = bits[first:end].T
    return laid


def pick_up(laid: np.ndarray, starts: np.ndarray, num_words: int) -> np.ndarray:
    """Return the (n, num_words) bits that ``lay_out`` laid out."""
    views = views_by_list(laid, starts, num_words)
    return np.concatenate([view.T for view in views])


def views_by_list(laid: np.ndarray, starts: np.ndarray, num_words: int) -> tuple[np.ndarray, ...]:
    """Return for each list (num_words, m) uint64, a view of the bits that ``lay_out`` laid out."""
    return tuple(
        laid[first * num_words : end * num_words].reshape(num_words, end - first)
        for first, end in pairwise(starts.tolist())
    )


def checksum(codes: np.ndarray, rests: np.ndarray, step: np.float32) -> int:
    """Return the CRC-32 of what makes the score of a row: (dim,) int8, (dim,) int16, the unit."""
    return zlib.crc32(step.tobytes(), zlib.crc32(rests.data, zlib.crc32(codes.data)))
