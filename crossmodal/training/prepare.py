"""Read pairs, divide them by near-duplicate group and bring them into the form of a training.

Owns that all that is wrong with pairs, and with the base, is said before a model is loaded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from crossmodal.errors import ModelMismatch, PairsError
from crossmodal.ledger.collection import Collection
from crossmodal.models.training_items import text_hash
from crossmodal.records import ModelVersion, VectorList
from crossmodal.spaces.register import parent_of
from crossmodal.training.material import Ints, Material
from crossmodal.training.pairs import Pairs, read_pairs
from crossmodal.training.spec import FinetuneSpec, Prepared
from crossmodal.training.split import (
    groups_of,
    hard_pictures,
    picture_hashes,
    split,
    without_held_out,
)
from crossmodal.vectors.affine import Floats


def prepare(collection: Collection, spec: FinetuneSpec) -> Prepared:
    """Read and divide the pairs, and encode their captions once.

    Raises:
        PairsError: too little can be learned from; says why, before a model is loaded.
        CollectionMissing, CollectionEmpty, ModelMismatch: there is no such model.
    """
    if spec.tower.anchor and not spec.keep:
        raise PairsError(
            f"--anchor {spec.tower.anchor:g} holds texts of --keep where they are, and there is no "
            "--keep: name pairs that are to be found as before, or leave --anchor out"
        )
    with collection.read() as con:
        parent = parent_of(con, spec.model)
        _refuse_parent(parent, spec)
        images = VectorList(parent, "image")
        pairs = read_pairs(con, spec.pairs, images)
        kept = read_pairs(con, spec.keep, images) if spec.keep else None
    hashes = picture_hashes(pairs.pictures)
    sides = split(groups_of(pairs, hashes), spec.dev_share, spec.seed)
    hard_hashes = picture_hashes(hard_pictures(pairs))
    pairs = without_held_out(pairs, hard_hashes, sides, hashes)
    held = _kept(kept, parent, spec)
    whole = material(pairs, parent, spec)
    digests = pairs.digest + (kept.digest if kept else "")
    return Prepared(
        parent=parent,
        train=whole.of(sides.train).joined(held.along),
        dev=whole.of(sides.dev),
        keep=held.measured,
        picture_hashes=[h for h in (*hashes, *hard_hashes, *held.hashes) if h],
        text_hashes=[text_hash(c) for p in (pairs, kept) if p for c in p.captions],
        data_digest=hashlib.sha256(digests.encode()).hexdigest(),
        problems=pairs.problems
        | {f"of --keep {what}": num for what, num in (kept.problems if kept else {}).items()},
        counts={
            "pictures": len(pairs.uris),
            "captions": len(pairs.captions),
            "train": len(sides.train),
            "dev": len(sides.dev),
            "hard": len(pairs.hard.uris) if pairs.hard else 0,
            "kept": len(kept.uris) if kept else 0,
        },
    )


def _refuse_parent(parent: ModelVersion, spec: FinetuneSpec) -> None:
    if not {"image", "text"} <= set(parent.encoders):
        raise ModelMismatch(f"{parent.label} is no image-text model: pairs teach it nothing")
    if parent.derived and not spec.on_vectors:
        raise ModelMismatch(
            f"{parent.label} is a space and has no towers to train at --depth {spec.depth}: name "
            f"the model that it begins with, --model {parent.root.name}, or take --depth head"
        )


def material(pairs: Pairs, parent: ModelVersion, spec: FinetuneSpec) -> Material:
    """Return the vectors of pairs; for a head each distinct caption is encoded, once."""
    return Material(
        images=pairs.images,
        texts=_encoded(pairs, parent, spec),
        words=tuple(pairs.captions),
        pictures=tuple(pairs.pictures),
        hard_pictures=tuple(hard_pictures(pairs)),
        picture_of=pairs.picture_of,
        text_keys=text_keys(pairs.captions),
        hard_images=pairs.hard.images if pairs.hard else None,
        hard_of=pairs.hard.caption_of if pairs.hard else None,
    )


def text_keys(captions: Sequence[str]) -> Ints:
    """Return (m,) equal numbers for captions of equal words."""
    _, keys = np.unique([text_hash(caption) for caption in captions], return_inverse=True)
    return np.asarray(keys, np.int64)


def _encoded(pairs: Pairs, parent: ModelVersion, spec: FinetuneSpec) -> Floats:
    """Return the vectors of captions; empty ones where a tower will read them anew each epoch."""
    if not spec.on_vectors:
        return np.zeros((len(pairs.captions), parent.dim), np.float32)
    from crossmodal.encoders.cache import load_version

    distinct = list(dict.fromkeys(pairs.captions))
    vectors = load_version(parent, spec.device).encode_queries(distinct)
    place = {caption: number for number, caption in enumerate(distinct)}
    return vectors[[place[caption] for caption in pairs.captions]]


@dataclass(frozen=True, slots=True)
class _Kept:
    along: Material | None = None
    measured: Material | None = None
    hashes: tuple[str, ...] = ()


def _kept(kept: Pairs | None, parent: ModelVersion, spec: FinetuneSpec) -> _Kept:
    if kept is None:
        return _Kept()
    hashes = picture_hashes(kept.pictures)
    sides = split(groups_of(kept, hashes), 0.5, spec.seed)
    whole = material(kept, parent, spec)
    return _Kept(whole.of(sides.train), whole.of(sides.dev), tuple(hashes))
