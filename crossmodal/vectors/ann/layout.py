"""Define the memory layout of a segment.

Sign bits are stored list by list and, within a list, column by column: the first 64-bit words of
all rows, then their second words. So a list is one contiguous read, and each word of a query is
compared with contiguous memory. All other arrays are stored row by row.
"""

from __future__ import annotations

import zlib
from itertools import pairwise

import numpy as np


def to_columns(bits: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return (n, num_words) sign bits in the column layout of a file, (n * num_words,) uint64.

    ``starts`` is (num_lists + 1,) int64: the offset of each list, and the end of the last.
    """
    laid = np.empty(bits.size, dtype=np.uint64)
    views = views_by_list(laid, starts, bits.shape[1])
    for view, (first, end) in zip(views, pairwise(starts.tolist()), strict=True):
        view[:] = bits[first:end].T
    return laid


def from_columns(laid: np.ndarray, starts: np.ndarray, num_words: int) -> np.ndarray:
    """Invert ``to_columns``: return (n, num_words) uint64."""
    views = views_by_list(laid, starts, num_words)
    return np.concatenate([view.T for view in views])


def views_by_list(laid: np.ndarray, starts: np.ndarray, num_words: int) -> tuple[np.ndarray, ...]:
    """Return a (num_words, m) uint64 view of the column layout for each list."""
    return tuple(
        laid[first * num_words : end * num_words].reshape(num_words, end - first)
        for first, end in pairwise(starts.tolist())
    )


def checksum(codes: np.ndarray, residuals: np.ndarray, step: np.float32) -> int:
    """Return the CRC-32 of a row's int8 codes, int16 residuals and scale."""
    return zlib.crc32(step.tobytes(), zlib.crc32(residuals.data, zlib.crc32(codes.data)))
