"""Learn a head from pairs in a collection, and register it as a derived space.

Owns the order: learn, go part of the way back (WiSE-FT), register. Invariant: killed at any point
before the one transaction at the end, nothing was done.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np

from crossmodal.errors import TrainingFailed
from crossmodal.ledger.read.many_vectors import sampled_vectors
from crossmodal.ledger.write import calibrations
from crossmodal.models.training_items import record_training_items
from crossmodal.records import ModelVersion, VectorList
from crossmodal.spaces.fusing import FUSION
from crossmodal.spaces.register import Space, register_space
from crossmodal.training.epochs import Epoch, Learned
from crossmodal.training.head import learn_head
from crossmodal.training.material import Ints
from crossmodal.training.mine import mined
from crossmodal.training.recall import Recall
from crossmodal.training.spec import FinetuneSpec, Prepared, Tuned
from crossmodal.training.sweep import Swept, chosen, sweep
from crossmodal.vectors.affine import Floats, apply, pack
from crossmodal.vectors.calibration.probe_bank import REVISION

_NUM_COMPARED = 5000
_TOP = 10


def tune(prepared: Prepared, spec: FinetuneSpec, tick: Callable[[Epoch], None]) -> Tuned:
    """Learn, and go as far from the base as dev gains by and forgetting allows.

    Raises:
        TrainingFailed: the loss is no number any more, or nothing got better on dev.
    """
    train = mined(prepared.train, spec.mine, prepared.counts["train"])
    learned = learn_head(train, prepared.dev, spec.head, tick)
    far = learned.weights or {}
    steps = sweep(far, prepared.dev, prepared.keep)
    best = taken(steps, prepared, spec, learned)
    maps = {side: each.towards(best.share) for side, each in far.items()}
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


def taken(
    steps: list[Swept], prepared: Prepared, spec: FinetuneSpec, learned: Learned[Any]
) -> Swept:
    """Return the step of the way that is taken.

    Raises:
        TrainingFailed: that is none of it.
    """
    allowed = spec.max_forgotten if prepared.keep else float("inf")
    best = chosen(steps, allowed, prepared.dev.picture_of)
    if best.share == 0:
        raise TrainingFailed(
            f"nothing got better on the {prepared.counts['dev']:,} pictures held out "
            f"({_said(learned)}), so nothing was registered: give more pairs, captions that say "
            "more, or allow more to be forgotten with --max-forgotten"
        )
    return best


def register_tuned(
    con: duckdb.DuckDBPyConnection,
    prepared: Prepared,
    tuned: Tuned,
    spec: FinetuneSpec,
    run_id: str,
) -> ModelVersion:
    """Register what was learned, with lineage and training items, in one transaction."""
    short = prepared.parent.name.rstrip("/").rsplit("/", 1)[-1]
    kind = FUSION if spec.depth == FUSION else "adapter"
    space = Space(
        name=spec.name or f"{short}-{kind}-{tuned.weights_hash[:6]}",
        parent=prepared.parent,
        kind=kind,
        maps=tuned.maps,
        how={"training": training_of(prepared, tuned, spec, run_id)},
    )
    version = register_space(con, space)
    record_items(con, version, prepared)
    return version


def training_of(
    prepared: Prepared, tuned: Tuned, spec: FinetuneSpec, run_id: str
) -> dict[str, Any]:
    """Return what the lineage keeps of a training."""
    return {
        "run": run_id,
        "depth": spec.depth,
        "data_digest": prepared.data_digest,
        "seed": spec.seed,
        "share": tuned.share,
        "weights_hash": tuned.weights_hash,
        "metrics": {"base": tuned.base.to_dict(), "tuned": tuned.best.to_dict()},
    }


def record_items(con: duckdb.DuckDBPyConnection, version: ModelVersion, prepared: Prepared) -> None:
    """Note what a version learned from, so that nobody judges it by the same."""
    con.execute("DELETE FROM training_item WHERE model_version_id = ?", [version.id])
    record_training_items(con, version.id or 0, "picture", prepared.picture_hashes)
    record_training_items(con, version.id or 0, "text", prepared.text_hashes)


def same_top(con: duckdb.DuckDBPyConnection, parent: ModelVersion, tuned: Tuned) -> float | None:
    """Return the share of the probes' first ten pictures that stay there.

    Needs no judgements: it tells how far questions on anything are answered otherwise.
    """
    probes = calibrations.probes_of(con, parent, REVISION)
    pictures = sampled_vectors(con, VectorList(parent, "image"), _NUM_COMPARED).matrix
    if probes is None or len(pictures) <= _TOP or tuned.sees_otherwise:
        return None
    before = _tops(probes, pictures)
    asked = apply(tuned.maps, "text", probes) if tuned.probes is None else tuned.probes
    after = _tops(asked, apply(tuned.maps, "image", pictures))
    shared = [len(set(b) & set(a)) / _TOP for b, a in zip(before, after, strict=True)]
    return float(np.mean(shared))


def _tops(texts: Floats, images: Floats) -> Ints:
    return np.asarray(np.argpartition(-(texts @ images.T), _TOP, axis=1)[:, :_TOP], np.int64)


def _said(learned: Learned[Any]) -> str:
    def told(found: Recall) -> str:
        return f"R@1 {found.at_1:.3f}, R@10 {found.at_10:.3f}"

    last = learned.epochs[-1].dev if learned.epochs else learned.best
    return f"best {told(learned.best)}, last {told(last)}"
