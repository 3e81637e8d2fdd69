"""Give pictures that look alike hashes that hardly differ, and find those pairs among many.

The hash is of 64 bits: which of the 64 slowest waves of the picture's brightness are above their
median (pHash; Zauner, 2010). Scaling, compression and a change of brightness move few of them.
Another crop or a mirrored picture is another picture to it: that is for the vectors to find.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Hashes = npt.NDArray[np.uint64]

_SIDE, _WAVES = 32, 8
MAX_BITS = 7
"""Pairs within so many bits are found: they share at least one of the eight bytes."""
_FLAT = 2.0


def hash_of(picture: Image.Image) -> int | None:
    """Return the 64 bits of a picture as a number; None where it is of one colour throughout."""
    from PIL import Image as images

    grey = picture.convert("L").resize((_SIDE, _SIDE), images.Resampling.LANCZOS)
    brightness = np.asarray(grey, np.float32)
    if brightness.std() < _FLAT:
        return None
    waves = _cosines() @ brightness @ _cosines().T
    slow = waves[:_WAVES, :_WAVES].reshape(-1)
    bits = slow > np.median(slow[1:])
    return int(np.packbits(bits).view(">u8")[0])


@lru_cache(maxsize=1)
def _cosines() -> npt.NDArray[np.float32]:
    """Return the (32, 32) matrix of the discrete cosine transform."""
    wave, place = np.arange(_SIDE)[:, None], np.arange(_SIDE)[None, :]
    return np.cos(np.pi * wave * (2 * place + 1) / (2 * _SIDE)).astype(np.float32)


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
