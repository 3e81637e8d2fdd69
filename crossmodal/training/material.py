"""Hold what a training learns from: vectors, which texts tell of which pictures, what does not fit.

Owns the arithmetic of places when a part is taken or two are joined, and the draw of negatives.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from crossmodal.previews.preview import Subject
from crossmodal.training.recall import Recall, ranks_of, recall_of
from crossmodal.vectors.affine import Floats, Maps, apply

Ints = npt.NDArray[np.int64]
T = TypeVar("T")
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """Hold vectors with which captions tell of which pictures."""

    images: Floats
    texts: Floats
    picture_of: Ints
    """(m,): the picture that each text was written for."""
    text_keys: Ints
    """(m,): equal words, equal keys."""
    hard_images: Floats | None = None
    """(k, dim): pictures that were shown for a text and do not fit it."""
    hard_of: Ints | None = None
    """(k,): the text that each does not fit."""
    words: tuple[str, ...] = ()
    """(m,): the texts themselves, where a tower reads them."""
    pictures: tuple[Subject, ...] = ()
    """(n,): what the pictures are, where a tower sees them."""
    hard_pictures: tuple[Subject, ...] = ()
    """(k,)."""

    def of(self, pictures: Ints) -> Material:
        """Return the part of these pictures."""
        place = np.full(len(self.images), -1, np.int64)
        place[pictures] = np.arange(len(pictures))
        kept = place[self.picture_of] >= 0
        part = Material(
            images=self.images[pictures],
            texts=self.texts[kept],
            picture_of=place[self.picture_of[kept]],
            text_keys=self.text_keys[kept],
            words=_of(self.words, np.flatnonzero(kept)),
            pictures=_of(self.pictures, pictures),
        )
        if self.hard_images is None or self.hard_of is None:
            return part
        of = np.where(kept, np.cumsum(kept) - 1, -1)[self.hard_of]
        return replace(
            part,
            hard_images=self.hard_images[of >= 0],
            hard_of=of[of >= 0],
            hard_pictures=_of(self.hard_pictures, np.flatnonzero(of >= 0)),
        )

    def joined(self, other: Material | None) -> Material:
        """Return both."""
        if other is None:
            return self
        shift = int(self.text_keys.max(initial=0)) + 1
        return replace(
            self,
            images=np.concatenate([self.images, other.images]),
            texts=np.concatenate([self.texts, other.texts]),
            picture_of=np.concatenate([self.picture_of, other.picture_of + len(self.images)]),
            text_keys=np.concatenate([self.text_keys, other.text_keys + shift]),
            words=self.words + other.words,
            pictures=self.pictures + other.pictures,
        )

    def recall(self, maps: Maps | None = None) -> Recall:
        """Return how well its texts find its pictures after these maps."""
        return recall_of(self.ranks(maps))

    def ranks(self, maps: Maps | None = None) -> Ints:
        """Return (m,) how many pictures are above the right one of each text, after these maps."""
        keys: list[set[int]] = [set() for _ in self.images]
        for picture, key in zip(self.picture_of, self.text_keys, strict=True):
            keys[picture].add(int(key))
        texts = apply(maps or {}, "text", self.texts)
        return ranks_of(texts, apply(maps or {}, "image", self.images), self.text_keys, keys)


def _of(values: tuple[T, ...], places: Ints) -> tuple[T, ...]:
    return tuple(values[place] for place in places) if values else ()


def by_picture(material: Material) -> list[Ints]:
    """Return the texts of each picture."""
    order = np.argsort(material.picture_of, kind="stable")
    bounds = np.searchsorted(material.picture_of[order], np.arange(len(material.images) + 1))
    return [order[low:high] for low, high in itertools.pairwise(bounds)]


def hard_by_text(material: Material) -> dict[int, Ints]:
    """Return by text its hard negatives, of those that have any."""
    if material.hard_of is None:
        return {}
    found: dict[int, list[int]] = {}
    for place, text in enumerate(material.hard_of.tolist()):
        found.setdefault(text, []).append(place)
    return {text: np.array(places, np.int64) for text, places in found.items()}


def drawn_hard(
    hard: dict[int, Ints], captions: Ints, draw: np.random.Generator, num: int = 1
) -> tuple[Ints, Ints] | None:
    """Draw ``num`` hard negatives, or all there are, for each text of a batch that has any.

    Returns rows of the batch, and beside each a negative; None where no text has one.
    """
    rows, taken = [], []
    for row, caption in enumerate(captions.tolist()):
        of_text = hard.get(caption, _NONE)
        drawn = draw.choice(of_text, min(num, len(of_text)), replace=False)
        rows += [row] * len(drawn)
        taken += drawn.tolist()
    return (np.array(rows, np.int64), np.array(taken, np.int64)) if rows else None
