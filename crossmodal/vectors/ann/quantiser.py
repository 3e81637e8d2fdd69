"""Quantise vectors: an inverted list each, and per dimension a sign bit, int8 code, int16 residual.

Vectors are centred and multiplied by one fixed random rotation, which spreads their variance evenly
over the dimensions. A vector belongs to the list of its nearest centroid; its sign bits are those
of the difference from that centroid; the int8 codes approximate the centred vector, and the
residuals hold the rounding errors, so that both together have the precision of float32. Knows
nothing of files or DuckDB.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

RESIDUAL_UNITS = 1 << 16
"""Units of a residual in one unit of an int8 code."""
_WORD_BITS = 64
# Five rounds over 32 vectors a list find what eight over 64 do, in a third of the time.
_ROUNDS = 5
_SAMPLES_A_LIST = 32
_VECTORS_A_LIST = 512
_MAX_LISTS = 2048
_MIN_LISTS = 16
_SEED = 20_261_124


@dataclass(frozen=True, slots=True)
class Basis:
    """Hold the parameters learnt from a sample of the vectors."""

    mean: np.ndarray
    """(dim,) float32."""
    rotation: np.ndarray
    """(dim, dim) float32, orthogonal."""
    centres: np.ndarray
    """(num_lists, dim) float32, centred and rotated."""
    gain: float
    """Mean length, per dimension, of the projection of a difference onto its own sign vector."""
    squares: np.ndarray = field(init=False)
    """(num_lists,) float32: the squared lengths of the centres."""

    def __post_init__(self) -> None:
        squares = np.einsum("ij,ij->i", self.centres, self.centres)
        object.__setattr__(self, "squares", squares)

    def lists_by_nearness(self, turned: np.ndarray) -> np.ndarray:
        """Return (.., num_lists) intp, nearest first, for (.., dim) centred, rotated vectors."""
        return np.argsort(self.squares - 2 * (turned @ self.centres.T), axis=-1)

    @property
    def dim(self) -> int:
        """Return the width of the vectors."""
        return len(self.mean)

    @property
    def num_lists(self) -> int:
        """Return how many lists there are."""
        return len(self.centres)

    @property
    def num_words(self) -> int:
        """Return how many 64-bit words the sign bits of one vector take."""
        return num_words(self.dim)


@dataclass(frozen=True, slots=True)
class Coded:
    """Hold the codes of n vectors."""

    lists: np.ndarray
    """(n,) int32."""
    bits: np.ndarray
    """(n, num_words) uint64."""
    steps: np.ndarray
    """(n,) float32: the scale of a vector's int8 codes."""
    codes: np.ndarray
    """(n, dim) int8."""
    residuals: np.ndarray
    """(n, dim) int16: rounding errors of ``codes``, in units of scale / 65536."""


def num_words(dim: int) -> int:
    """Return how many 64-bit words hold a bit for each dimension."""
    return -(-dim // _WORD_BITS)


def lists_for(num_vectors: int) -> int:
    """Return the number of lists for a number of vectors: a power of two."""
    wanted = 1 << round(np.log2(max(1, num_vectors / _VECTORS_A_LIST)))
    return int(np.clip(wanted, _MIN_LISTS, _MAX_LISTS))


def sample_size(num_vectors: int) -> int:
    """Return the sample size to learn a basis for a number of vectors."""
    return min(num_vectors, lists_for(num_vectors) * _SAMPLES_A_LIST)


def learn(sample: np.ndarray, num_lists: int) -> Basis:
    """Return the basis for vectors like those of the sample, (n, dim) float32, n >= 1."""
    rng = np.random.default_rng(_SEED)
    dim = sample.shape[1]
    rotation = np.linalg.qr(rng.standard_normal((dim, dim)))[0].astype(np.float32)
    mean = sample.mean(axis=0, dtype=np.float64).astype(np.float32)
    turned = (sample - mean) @ rotation
    centres = _cluster(turned, min(num_lists, len(sample)), rng)
    left = turned - centres[nearest_centres(turned, centres)]
    spread = np.abs(left).sum(axis=1)
    gains = np.divide(
        (left * left).sum(axis=1), spread, where=spread > 0, out=np.zeros_like(spread)
    )
    return Basis(mean, rotation, centres, gain=float(gains.mean()))


def encode(basis: Basis, vectors: np.ndarray) -> Coded:
    """Return the codes of (n, dim) float32 vectors."""
    turned = (vectors - basis.mean) @ basis.rotation
    lists = nearest_centres(turned, basis.centres)
    steps = np.abs(turned).max(axis=1, initial=0) / 127
    steps = np.where(steps > 0, steps, 1).astype(np.float32)
    bits = sign_bits(turned - basis.centres[lists])
    turned /= steps[:, None]
    codes = np.rint(turned)
    residuals = np.rint((turned - codes) * RESIDUAL_UNITS).clip(max=RESIDUAL_UNITS // 2 - 1)
    return Coded(lists, bits, steps, codes.astype(np.int8), residuals.astype(np.int16))


def sign_bits(values: np.ndarray) -> np.ndarray:
    """Return (n, num_words) uint64 for (n, dim) floats: a bit is set where the value is above 0."""
    padded = np.zeros((len(values), num_words(values.shape[1]) * _WORD_BITS), dtype=bool)
    np.greater(values, 0, out=padded[:, : values.shape[1]])
    return np.packbits(padded, axis=1, bitorder="little").view(np.uint64)


def nearest_centres(turned: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return (n,) int32: the nearest centre of each of (n, dim) centred, rotated vectors."""
    closeness = turned @ centres.T
    closeness -= 0.5 * (centres * centres).sum(axis=1)
    return np.asarray(closeness.argmax(axis=1), np.int32)


def _cluster(turned: np.ndarray, num_lists: int, rng: np.random.Generator) -> np.ndarray:
    """Return (num_lists, dim) float32 centres, found by k-means; none is without a member."""
    centres = turned[rng.choice(len(turned), num_lists, replace=False)].copy()
    for _ in range(_ROUNDS):
        lists = nearest_centres(turned, centres)
        sizes = np.bincount(lists, minlength=num_lists)
        filled = np.flatnonzero(sizes)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        sums = np.add.reduceat(turned[np.argsort(lists, kind="stable")], starts[filled], axis=0)
        centres[filled] = sums / sizes[filled, None]
        empty = np.flatnonzero(sizes == 0)
        centres[empty] = turned[rng.choice(len(turned), len(empty), replace=False)]
    return centres
