"""Divide pairs into what is learned from and what decides, by near-duplicate group.

A photo in two sizes, or two photos under one caption, on both sides of a split would let a model
score by having seen the answer. Invariant: pictures that look alike, or share a caption, are on one
side, with all of their captions.
"""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from crossmodal.errors import PairsError, Refused
from crossmodal.models.training_items import (
    MAX_DISTANCE,
    near_duplicates,
    picture_hash,
    text_hash,
)
from crossmodal.previews.preview import Subject
from crossmodal.training.pairs import Hard, Pairs

if TYPE_CHECKING:
    from PIL import Image

_SIDE_PX = 64
_THREADS = 4
_NO_HASH = "f" * 16
MIN_GROUPS = 8

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """Name the pictures of each side."""

    train: Ints
    dev: Ints


def picture_hashes(pictures: Sequence[Subject]) -> list[str]:
    """Return the perceptual hash of each picture; empty for what cannot be decoded by now."""

    def hashed(picture: Subject) -> str:
        try:
            return picture_hash(small_picture(picture, _SIDE_PX))
        except Refused:
            return ""

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(hashed, pictures))


def small_picture(picture: Subject, side_px: int) -> Image.Image:
    """Return a picture of a file, or of the part of a document or film, within a square.

    Raises:
        Refused: it is gone, changed or damaged.
    """
    from PIL import Image

    from crossmodal.previews.content import content_of
    from crossmodal.previews.preview import preview
    from crossmodal.previews.thumbnail import thumbnail

    if picture.kind == "image":
        return thumbnail(picture.uri, (side_px, side_px))
    return Image.open(io.BytesIO(preview(picture, content_of(picture.uri), side_px)))


class _Groups:
    """Join places into groups, each named by its first one."""

    def __init__(self, num: int) -> None:
        self._parents = np.arange(num)

    def join(self, one: int, other: int) -> None:
        first, second = sorted((self._root(one), self._root(other)))
        self._parents[second] = first

    def all(self) -> Ints:
        return np.array([self._root(one) for one in range(len(self._parents))], np.int64)

    def _root(self, one: int) -> int:
        parents = self._parents
        while parents[one] != one:
            parents[one] = parents[parents[one]]
            one = int(parents[one])
        return one


def groups_of(pairs: Pairs, hashes: Sequence[str]) -> Ints:
    """Return (n,) the group of each picture, named by its first one."""
    groups = _look_alike(hashes)
    seen: dict[str, int] = {}
    for caption, picture in zip(pairs.captions, pairs.picture_of, strict=True):
        groups.join(int(picture), seen.setdefault(text_hash(caption), int(picture)))
    return groups.all()


def look_alike_groups(hashes: Sequence[str]) -> Ints:
    """Return (n,) the group of each picture that has no caption, named by its first one."""
    return _look_alike(hashes).all()


def _look_alike(hashes: Sequence[str]) -> _Groups:
    groups = _Groups(len(hashes))
    for one, other in _look_alikes(hashes):
        groups.join(one, other)
    return groups


def split(groups: Ints, dev_share: float, seed: int) -> Split:
    """Return the sides, the groups drawn at random until the dev side has its share.

    Raises:
        PairsError: there are too few groups, or one of them holds most of the pictures.
    """
    members: dict[int, list[int]] = defaultdict(list)
    for place, group in enumerate(groups):
        members[int(group)].append(place)
    largest = max(map(len, members.values()))
    if len(members) < MIN_GROUPS or largest > len(groups) / 2:
        raise PairsError(
            f"the {len(groups):,} pictures fall into {len(members):,} groups that look alike or "
            f"share captions, the largest of {largest:,}: a side to decide by cannot be held out; "
            "give captions that tell pictures apart"
        )
    order = np.random.default_rng(seed).permutation(sorted(members))
    dev: list[int] = []
    for group in order:
        if len(dev) < dev_share * len(groups):
            dev += members[int(group)]
    held_out = np.array(sorted(dev), np.int64)
    return Split(np.setdiff1d(np.arange(len(groups)), held_out), held_out)


def hard_pictures(pairs: Pairs) -> list[Subject]:
    """Return the pictures that are hard negatives, in their order."""
    uris = pairs.hard.uris if pairs.hard else []
    return [Subject(kind="image", media_type="image/", uri=uri) for uri in uris]


def without_held_out(
    pairs: Pairs, hard_hashes: Sequence[str], sides: Split, hashes: Sequence[str]
) -> Pairs:
    """Return pairs whose hard negatives look like no picture that is held out."""
    if pairs.hard is None:
        return pairs
    held_out = {pairs.pictures[place].uri for place in sides.dev}
    known = [each or _NO_HASH for each in hard_hashes]
    near = set(near_duplicates(known, [hashes[place] for place in sides.dev if hashes[place]]))
    kept = np.array(
        [p for p, uri in enumerate(pairs.hard.uris) if uri not in held_out and p not in near],
        np.int64,
    )
    hard = Hard(
        [pairs.hard.uris[place] for place in kept],
        pairs.hard.images[kept],
        pairs.hard.caption_of[kept],
    )
    return replace(pairs, hard=hard if len(kept) else None)


def _look_alikes(hashes: Sequence[str]) -> list[tuple[int, int]]:
    known = np.array([place for place, each in enumerate(hashes) if each], np.int64)
    bits = np.array([int(hashes[place], 16) for place in known], np.uint64)
    pairs = []
    for place in range(len(known) - 1):
        near = np.bitwise_count(bits[place + 1 :] ^ bits[place]) <= MAX_DISTANCE
        pairs += [(int(known[place]), int(other)) for other in known[place + 1 :][near]]
    return pairs
