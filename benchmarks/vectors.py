"""Make vectors that behave like embeddings: clustered, in a narrow cone, with a power-law spectrum.

Zipf-sized clusters; variance of the i-th principal dimension proportional to 1/i, so that 64, 128
and 256 of 512 dimensions hold 69, 80 and 90 % of it; a random rotation, so that no axis is special;
a common mean, so that the cosine of two strangers is well above 0, as with CLIP.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

_MEAN_SHARE = 0.5
"""The square of the common mean's length; the rest is what tells vectors apart."""
_CLUSTER_SHARE = 0.5
_BLOCK_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Space:
    """Hold what all vectors of one made-up embedding space have in common."""

    mean: np.ndarray
    """(dim,) float32, of the images."""
    other_mean: np.ndarray
    """(dim,) float32, of another modality: CLIP's texts live in a cone of their own."""
    centres: np.ndarray
    """(num_clusters, dim) float32."""
    sizes: np.ndarray
    """(num_clusters,) float64, shares that sum to 1."""
    basis: np.ndarray
    """(dim, dim) float32: a rotation whose rows are scaled by the spectrum."""
    seed: int


def make_space(dim: int = 512, num_clusters: int = 3000, seed: int = 0) -> Space:
    """Return a space; the same arguments give the same one."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.standard_normal((dim, dim)))
    spectrum = 1 / np.arange(1, dim + 1)
    spread = (1 - _MEAN_SHARE) * spectrum / spectrum.sum()
    basis = (np.sqrt(spread)[:, None] * rotation).astype(np.float32)
    centres = rng.standard_normal((num_clusters, dim)).astype(np.float32) @ basis
    means = rng.standard_normal((2, dim))
    means *= np.sqrt(_MEAN_SHARE) / np.linalg.norm(means, axis=1, keepdims=True)
    sizes = 1 / np.arange(1, num_clusters + 1)
    return Space(
        mean=means[0].astype(np.float32),
        other_mean=means[1].astype(np.float32),
        centres=(centres * np.sqrt(_CLUSTER_SHARE)).astype(np.float32),
        sizes=sizes / sizes.sum(),
        basis=basis,
        seed=seed,
    )


def draw(space: Space, num: int, stream: int = 0, *, foreign: bool = False) -> np.ndarray:
    """Return (num, dim) float32 unit vectors; ``foreign`` ones lie in the other modality's cone.

    A stream is a sequence of its own: hold queries out by drawing them from another one.
    """
    return np.concatenate(list(blocks(space, num, stream, foreign=foreign)))


def blocks(
    space: Space, num: int, stream: int = 0, *, foreign: bool = False
) -> Iterator[np.ndarray]:
    """Yield what ``draw`` returns in blocks of bounded size."""
    rng = np.random.default_rng((space.seed, stream))
    mean = space.other_mean if foreign else space.mean
    noise_scale = np.float32(np.sqrt(1 - _CLUSTER_SHARE))
    for start in range(0, num, _BLOCK_ROWS):
        rows = min(_BLOCK_ROWS, num - start)
        cluster = rng.choice(len(space.sizes), rows, p=space.sizes)
        noise = rng.standard_normal((rows, len(space.mean)), dtype=np.float32) @ space.basis
        block = mean + space.centres[cluster] + noise_scale * noise
        yield block / np.linalg.norm(block, axis=1, keepdims=True)
