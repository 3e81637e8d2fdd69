"""Measure text-to-picture recall of vectors at hand, where a caption may fit several pictures.

For decisions during a training; what is claimed of a model is measured by ``crossmodal evaluate``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossmodal.vectors.affine import Floats

Ints = npt.NDArray[np.int64]
_BLOCK = 1024
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Recall:
    """Hold the share of captions with a right picture on top, and among the first ten."""

    at_1: float
    at_10: float

    @property
    def total(self) -> float:
        """Return the sum, by which trainings are compared."""
        return self.at_1 + self.at_10


def recall_of(ranks: Ints) -> Recall:
    """Return the recall of texts whose best right picture has so many pictures above it."""
    if not len(ranks):
        return Recall(0.0, 0.0)
    return Recall(float((ranks < 1).mean()), float((ranks < 10).mean()))


def ranks_of(texts: Floats, images: Floats, text_keys: Ints, image_keys: list[set[int]]) -> Ints:
    """Return (m,) how many of ``images`` (n, dim) are above the best right one of each text.

    ``text_keys`` names each text by its words, ``image_keys`` which of these tell of each picture.
    """
    holders: dict[int, list[int]] = {}
    for place, keys in enumerate(image_keys):
        for key in keys:
            holders.setdefault(key, []).append(place)
    found = [
        _ranks(texts[start : start + _BLOCK] @ images.T, text_keys[start:], holders)
        for start in range(0, len(texts), _BLOCK)
    ]
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def is_within_an_error(better: Ints, other: Ints, pictures: Ints) -> bool:
    """Say whether ranks are no worse than others by more than one standard error.

    Compared is hit@1 + hit@10, paired by text; the texts of a picture fall together, so the error
    is that of pictures (Breiman and others, 1984, sec. 3.4.3: the one-standard-error rule).
    """
    lost = _hits(better) - _hits(other)
    mean = float(lost.mean())
    by_picture = np.bincount(pictures, weights=lost - mean)
    num = len(by_picture)
    error = float(np.sqrt((by_picture**2).sum() * num / max(1, num - 1))) / len(lost)
    return mean <= error + _ROUNDING


def _hits(ranks: Ints) -> Floats:
    return (ranks < 1).astype(np.float32) + (ranks < 10)


def _ranks(scores: Floats, keys: Ints, holders: dict[int, list[int]]) -> Ints:
    """Return how many pictures are above the best right one, for each text."""
    best = np.array([row[holders[int(key)]].max() for row, key in zip(scores, keys, strict=False)])
    return np.asarray((scores > best[:, None]).sum(axis=1), np.int64)
