"""Find among many perceptual hashes (``pictures.perceptual_hash``) the pairs that hardly differ."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]

MAX_BITS = 7
"""Pairs within so many bits are found: they share at least one of the eight bytes."""


def near_pairs(hashes: Hashes, max_bits: int) -> Iterator[tuple[int, int]]:
    """Yield the numbers of any two of (n,) hashes that differ in at most ``max_bits`` bits, once.

    Two that differ in up to seven bits are equal in one of eight bytes, so only hashes that share a
    byte are compared.
    """
    assert 0 <= max_bits <= MAX_BITS, f"{max_bits} bits: no pair would be sure to share a byte"
    seen: set[tuple[int, int]] = set()
    columns = hashes.view(np.uint8).reshape(-1, 8)
    for column in columns.T:
        order = np.argsort(column, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(column[order])) + 1):
            for pair in _near_in(group, hashes, max_bits):
                if pair not in seen:
                    seen.add(pair)
                    yield pair


def _near_in(
    group: npt.NDArray[np.int64], hashes: Hashes, max_bits: int
) -> Iterator[tuple[int, int]]:
    """Yield the near pairs of a group, the smaller number first."""
    values = hashes[group]
    for place in range(len(group) - 1):
        bits = np.bitwise_count(values[place + 1 :] ^ values[place])
        for other in np.flatnonzero(bits <= max_bits).tolist():
            one, two = int(group[place]), int(group[place + 1 + other])
            yield (one, two) if one < two else (two, one)
