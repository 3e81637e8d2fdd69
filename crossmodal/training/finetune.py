"""Learn from pairs in a collection, and register what was learned as a derived space.

Owns the order: refuse bad pairs, divide them by near-duplicate group, encode each caption once,
learn, go part of the way back (WiSE-FT), register. Pictures are learned from by their stored
vectors. Invariant: killed at any point before the one transaction at the end, nothing was done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb
import numpy as np

from crossmodal.errors import ModelMismatch, TrainingFailed
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.many_vectors import sampled_vectors
from crossmodal.ledger.write import calibrations
from crossmodal.models.training_items import record_training_items, text_hash
from crossmodal.records import ModelVersion, VectorList
from crossmodal.spaces.register import Space, parent_of, register_space
from crossmodal.training.head import (
    Epoch,
    HeadSpec,
    Ints,
    Learned,
    Material,
    Swept,
    chosen,
    learn_head,
    sweep,
)
from crossmodal.training.pairs import Pairs, read_pairs
from crossmodal.training.recall import Recall
from crossmodal.training.split import (
    groups_of,
    hard_pictures,
    picture_hashes,
    split,
    without_held_out,
)
from crossmodal.vectors.affine import Floats, Maps, apply, pack
from crossmodal.vectors.calibration.probe_bank import REVISION

_NUM_COMPARED = 5000
_TOP = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneSpec:
    """Say what to learn from, and how."""

    pairs: str
    model: str = ""
    """The version to begin with; empty for the live joint one."""
    keep: str = ""
    """Pairs that are to stay as well found: half are learned along with, half are measured."""
    name: str = ""
    dev_share: float = 0.2
    max_forgotten: float = 0.01
    """Of R@1 on the measured half of ``keep``, what a step of the sweep may lose."""
    device: str = "auto"
    head: HeadSpec = field(default_factory=HeadSpec)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Hold all that a training needs; no model and no connection any more."""

    parent: ModelVersion
    train: Material
    dev: Material
    keep: Material | None
    picture_hashes: list[str]
    text_hashes: list[str]
    data_digest: str
    problems: dict[str, int]
    counts: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """Hold what was learned."""

    maps: Maps
    weights_hash: str
    share: float
    """How far from the base the sweep went."""
    base: Swept
    best: Swept
    steps: list[Swept]
    epochs: list[Epoch]
    best_epoch: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as plain values."""
        told = asdict(self) | {"epochs": [asdict(epoch) for epoch in self.epochs]}
        del told["maps"]
        return told


def prepare(collection: Collection, spec: FinetuneSpec) -> Prepared:
    """Read and divide the pairs, and encode their captions once.

    Raises:
        PairsError: too little can be learned from; says why, before a model is loaded.
        CollectionMissing, CollectionEmpty, ModelMismatch: there is no such model.
    """
    with collection.read() as con:
        parent = parent_of(con, spec.model)
        if not {"image", "text"} <= set(parent.encoders):
            raise ModelMismatch(f"{parent.label} is no image-text model: pairs teach it nothing")
        images = VectorList(parent, "image")
        pairs = read_pairs(con, spec.pairs, images)
        kept = read_pairs(con, spec.keep, images) if spec.keep else None
    hashes = picture_hashes(pairs.pictures)
    sides = split(groups_of(pairs, hashes), spec.dev_share, spec.head.seed)
    hard_hashes = picture_hashes(hard_pictures(pairs))
    pairs = without_held_out(pairs, hard_hashes, sides, hashes)
    held = _kept(kept, parent, spec)
    whole = material(pairs, parent, spec.device)
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


def material(pairs: Pairs, parent: ModelVersion, device: str) -> Material:
    """Return the vectors of pairs; each distinct caption is encoded once."""
    from crossmodal.encoders.cache import load_version

    hashes = [text_hash(caption) for caption in pairs.captions]
    _, keys = np.unique(hashes, return_inverse=True)
    distinct = list(dict.fromkeys(pairs.captions))
    vectors = load_version(parent, device).encode_queries(distinct)
    place = {caption: number for number, caption in enumerate(distinct)}
    return Material(
        images=pairs.images,
        texts=vectors[[place[caption] for caption in pairs.captions]],
        picture_of=pairs.picture_of,
        text_keys=np.asarray(keys, np.int64),
        hard_images=pairs.hard.images if pairs.hard else None,
        hard_of=pairs.hard.caption_of if pairs.hard else None,
    )


def tune(prepared: Prepared, spec: FinetuneSpec, tick: Callable[[Epoch], None]) -> Tuned:
    """Learn, and go as far from the base as dev gains by and forgetting allows.

    Raises:
        TrainingFailed: the loss is no number any more, or nothing got better on dev.
    """
    learned = learn_head(prepared.train, prepared.dev, spec.head, tick)
    steps = sweep(learned.maps, prepared.dev, prepared.keep)
    best = chosen(steps, spec.max_forgotten) if prepared.keep else chosen(steps, float("inf"))
    if best.share == 0:
        raise TrainingFailed(
            f"nothing got better on the {prepared.counts['dev']:,} pictures held out "
            f"({_said(learned)}), so nothing was registered: give more pairs, captions that say "
            "more, or allow more to be forgotten with --max-forgotten"
        )
    maps = {side: each.towards(best.share) for side, each in learned.maps.items()}
    return Tuned(
        maps=maps,
        weights_hash=hashlib.sha256(pack(maps)).hexdigest(),
        share=best.share,
        base=steps[0],
        best=best,
        steps=steps,
        epochs=learned.epochs,
        best_epoch=learned.best_epoch,
    )


def register_tuned(
    con: duckdb.DuckDBPyConnection,
    prepared: Prepared,
    tuned: Tuned,
    spec: FinetuneSpec,
    run_id: str,
) -> ModelVersion:
    """Register what was learned, with lineage and training items, in one transaction."""
    training = {
        "run": run_id,
        "depth": "head",
        "data_digest": prepared.data_digest,
        "seed": spec.head.seed,
        "share": tuned.share,
        "weights_hash": tuned.weights_hash,
        "metrics": {"base": asdict(tuned.base), "tuned": asdict(tuned.best)},
    }
    short = prepared.parent.name.rstrip("/").rsplit("/", 1)[-1]
    space = Space(
        name=spec.name or f"{short}-adapter-{tuned.weights_hash[:6]}",
        parent=prepared.parent,
        kind="adapter",
        maps=tuned.maps,
        how={"training": training},
    )
    version = register_space(con, space)
    con.execute("DELETE FROM training_item WHERE model_version_id = ?", [version.id])
    record_training_items(con, version.id or 0, "picture", prepared.picture_hashes)
    record_training_items(con, version.id or 0, "text", prepared.text_hashes)
    return version


def same_top(con: duckdb.DuckDBPyConnection, parent: ModelVersion, maps: Maps) -> float | None:
    """Return the share of the probes' first ten pictures that the maps leave there.

    Needs no judgements: it tells how far questions on anything are answered otherwise.
    """
    probes = calibrations.probes_of(con, parent, REVISION)
    pictures = sampled_vectors(con, VectorList(parent, "image"), _NUM_COMPARED).matrix
    if probes is None or len(pictures) <= _TOP:
        return None
    before = _tops(probes, pictures)
    after = _tops(apply(maps, "text", probes), apply(maps, "image", pictures))
    shared = [len(set(b) & set(a)) / _TOP for b, a in zip(before, after, strict=True)]
    return float(np.mean(shared))


def _tops(texts: Floats, images: Floats) -> Ints:
    return np.asarray(np.argpartition(-(texts @ images.T), _TOP, axis=1)[:, :_TOP], np.int64)


@dataclass(frozen=True, slots=True)
class _Kept:
    along: Material | None = None
    measured: Material | None = None
    hashes: tuple[str, ...] = ()


def _kept(kept: Pairs | None, parent: ModelVersion, spec: FinetuneSpec) -> _Kept:
    if kept is None:
        return _Kept()
    hashes = picture_hashes(kept.pictures)
    sides = split(groups_of(kept, hashes), 0.5, spec.head.seed)
    whole = material(kept, parent, spec.device)
    return _Kept(whole.of(sides.train), whole.of(sides.dev), tuple(hashes))


def _said(learned: Learned) -> str:
    def told(found: Recall) -> str:
        return f"R@1 {found.at_1:.3f}, R@10 {found.at_10:.3f}"

    last = learned.epochs[-1].dev if learned.epochs else learned.best
    return f"best {told(learned.best)}, last {told(last)}"
