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


@dataclass(frozen=True, slots=True)
class Recall:
    """Hold the share of captions with a right picture on top, and among the first ten."""

    at_1: float
    at_10: float

    @property
    def total(self) -> float:
        """Return the sum, by which trainings are compared."""
        return self.at_1 + self.at_10


def recall(texts: Floats, images: Floats, text_keys: Ints, image_keys: list[set[int]]) -> Recall:
    """Return the recall of ``texts`` (m, dim) among ``images`` (n, dim), unit vectors.

    ``text_keys`` names each text by its words, ``image_keys`` which of these tell of each picture.
    """
    if not len(texts):
        return Recall(0.0, 0.0)
    holders: dict[int, list[int]] = {}
    for place, keys in enumerate(image_keys):
        for key in keys:
            holders.setdefault(key, []).append(place)
    ranks = np.concatenate(
        [
            _ranks(texts[start : start + _BLOCK] @ images.T, text_keys[start:], holders)
            for start in range(0, len(texts), _BLOCK)
        ]
    )
    return Recall(float((ranks < 1).mean()), float((ranks < 10).mean()))


def _ranks(scores: Floats, keys: Ints, holders: dict[int, list[int]]) -> Ints:
    """Return how many pictures are above the best right one, for each text."""
    best = np.array([row[holders[int(key)]].max() for row, key in zip(scores, keys, strict=False)])
    return np.asarray((scores > best[:, None]).sum(axis=1), np.int64)
