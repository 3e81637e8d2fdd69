"""Find hard negatives by our own search: pictures that the base finds for a text and do not fit.

Owns which are no negatives: what the text, or another of the same words, was written for. Of pairs
that are only to be kept none is looked for: their captions fit many a picture that nobody named.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np

from crossmodal.training.material import Ints, Material

_BLOCK = 1024


def mined(train: Material, num: int, num_own: int) -> Material:
    """Return the material with the ``num`` nearest wrong pictures of each text as hard negatives.

    Only the first ``num_own`` pictures and their texts take part, by the vectors that they have
    now. What is held out is not among them, so nothing of it is pushed away.
    """
    num = min(num, num_own - 1)
    texts = np.flatnonzero(train.picture_of < num_own)
    if num <= 0 or not len(texts):
        return train
    fits = _fits(train)
    found = [
        _nearest(train, texts[start : start + _BLOCK], fits, (num, num_own))
        for start in range(0, len(texts), _BLOCK)
    ]
    of = np.concatenate([some for some, _ in found])
    return _with_hard(train, of, np.concatenate([pictures for _, pictures in found]))


def _fits(train: Material) -> list[Ints]:
    """Return by words the pictures that they were written for."""
    order = np.argsort(train.text_keys, kind="stable")
    bounds = np.searchsorted(train.text_keys[order], np.arange(train.text_keys.max() + 2))
    pictures = train.picture_of[order]
    return [pictures[low:high] for low, high in itertools.pairwise(bounds)]


def _nearest(
    train: Material, texts: Ints, fits: list[Ints], counts: tuple[int, int]
) -> tuple[Ints, Ints]:
    num, num_own = counts
    scores = train.texts[texts] @ train.images.T
    for row, key in enumerate(train.text_keys[texts]):
        scores[row, fits[key]] = -np.inf
    scores = scores[:, :num_own]
    top = np.argpartition(-scores, num - 1, axis=1)[:, :num]
    wrong = np.isfinite(np.take_along_axis(scores, top, axis=1)).ravel()
    return np.repeat(texts, num)[wrong], top.ravel()[wrong]


def _with_hard(train: Material, texts: Ints, places: Ints) -> Material:
    images, of = train.images[places], texts
    pictures = tuple(train.pictures[place] for place in places) if train.pictures else ()
    if train.hard_images is not None and train.hard_of is not None:
        images = np.concatenate([train.hard_images, images])
        of = np.concatenate([train.hard_of, of])
        pictures = train.hard_pictures + pictures
    return replace(train, hard_images=images, hard_of=of, hard_pictures=pictures)
