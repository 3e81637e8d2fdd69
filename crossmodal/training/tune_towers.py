"""Train towers, go part of the way back, and register the model that comes of it.

Owns the order: learn, with its state kept after each epoch; try the steps of the way (WiSE-FT);
write the folder and load it; then one transaction registers it. Killed before that, the next run
goes on after the last epoch. Pictures that a locked image tower saw keep their vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import duckdb
import numpy as np

from crossmodal.encoders.torch_threads import all_threads
from crossmodal.errors import ConsentNeeded
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.model_versions import vector_table
from crossmodal.models.lineage import register_parent
from crossmodal.records import ModelVersion
from crossmodal.training.checkpoint import Checkpoint
from crossmodal.training.cost import cost_of
from crossmodal.training.directory import Written, model_folder, refuse_folder, write_model
from crossmodal.training.epochs import Epoch, Weights, digest_of
from crossmodal.training.finetune import record_items, taken, training_of
from crossmodal.training.learn_towers import learn_towers
from crossmodal.training.material import Ints, Material
from crossmodal.training.mine import mined
from crossmodal.training.recall import recall_of
from crossmodal.training.spec import FinetuneSpec, Prepared, Tuned
from crossmodal.training.sweep import SHARES, Swept
from crossmodal.training.towers import TextTower
from crossmodal.vectors.calibration.probe_bank import probes

_NUM_PROOFS = 8


def _both() -> type[TextTower]:
    from crossmodal.training.both_towers import BothTowers

    return BothTowers


def _lora() -> type[TextTower]:
    from crossmodal.training.both_towers import LoraTowers

    return LoraTowers


_TOWERS: dict[str, Callable[[], type[TextTower]]] = {
    "text": lambda: TextTower,
    "lora": _lora,
    "full": _both,
}

_SAME_VECTORS = """
INSERT INTO {own} (chunk_id, run_id, v) SELECT chunk_id, $run_id, v FROM {parent}
WHERE chunk_id NOT IN (SELECT chunk_id FROM {own}) ORDER BY chunk_id
"""


def checkpoint_of(collection: Collection, prepared: Prepared, spec: FinetuneSpec) -> Checkpoint:
    """Return where a training keeps its state: named by all that decides its weights."""
    data = [prepared.parent.fingerprint, prepared.data_digest, spec.dev_share, spec.mine]
    return Checkpoint.of(collection.path, [spec.depth, *data, spec.tower])


def tune_towers(
    collection: Collection, prepared: Prepared, spec: FinetuneSpec, tick: Callable[[Epoch], None]
) -> Tuned:
    """Learn, and go as far from the base as dev gains by and forgetting allows.

    Raises:
        TrainingFailed: the loss is no number, memory ran out, or nothing got better on dev.
        ConsentNeeded: it is ``full``, and nobody said yes to what that takes.
        PathError: the folder that was named is taken, or there is no room to keep the state.
        ModelUnsupported: the base cannot be trained so.
    """
    refuse_folder(collection.path, spec.out, spec.name, prepared.data_digest)
    tower = _TOWERS[spec.depth]()(prepared.parent, spec.device, spec.seed)
    if spec.tower.recompute:
        tower.recompute()
    if spec.tower.freeze_words:
        tower.freeze_words()
    if spec.depth == "full" and not spec.consent:
        raise ConsentNeeded(cost_of(tower, prepared, spec.tower))
    kept = checkpoint_of(collection, prepared, spec)
    train = _mined(tower, prepared, spec.mine)
    train = _anchored(tower, train, prepared, spec)
    learned = learn_towers(tower, train, prepared.dev, spec.tower, kept, tick)
    with all_threads():
        base, far = tower.learned(learned.weights or tower.base)
        steps = _sweep(tower, base, far, prepared)
        best = taken(steps, prepared, spec, learned)
        tower.put(_between(base, far, best.share))
        weights = {name: w.cpu() for name, w in tower.weights().items()}
        proof_texts = prepared.dev.words[:_NUM_PROOFS]
        return Tuned(
            maps={},
            weights_hash=digest_of(weights),
            share=best.share,
            base=steps[0],
            best=best,
            steps=steps,
            epochs=learned.epochs,
            best_epoch=learned.best_epoch,
            weights=weights,
            probes=tower.encode_texts(probes()),
            proof_texts=proof_texts,
            proof_vectors=tower.encode_texts(proof_texts),
            sees_otherwise=tower.sees_otherwise,
        )


def _mined(tower: TextTower, prepared: Prepared, num: int) -> Material:
    """Return what is learned from, with hard negatives that the base finds."""
    train = prepared.train
    if not num:
        return train
    with all_threads():
        seen = tower.encoded(train)
    return replace(mined(seen, num, prepared.counts["train"]), texts=train.texts)


def _anchored(
    tower: TextTower, train: Material, prepared: Prepared, spec: FinetuneSpec
) -> Material:
    """Return what is learned from, with the base's vectors of texts that are to be kept."""
    if not spec.tower.anchor:
        return train
    kept = np.flatnonzero(train.picture_of >= prepared.counts["train"])
    texts = np.zeros_like(train.texts)
    with all_threads():
        texts[kept] = tower.encode_texts([train.words[place] for place in kept])
    return replace(train, texts=texts)


def write_tuned(
    collection: Collection, prepared: Prepared, tuned: Tuned, spec: FinetuneSpec
) -> Written:
    """Write the folder of what was learned, and load it.

    Raises as ``write_model`` does.
    """
    short = prepared.parent.name.rstrip("/").rsplit("/", 1)[-1]
    name = spec.name or f"{short}-{spec.depth}-{tuned.weights_hash[:6]}"
    return write_model(model_folder(collection.path, spec.out, name), prepared, tuned, spec)


def register_model(
    con: duckdb.DuckDBPyConnection,
    written: Written,
    prepared: Prepared,
    tuned: Tuned,
    spec: FinetuneSpec,
    run_id: str,
) -> ModelVersion:
    """Register a written model with lineage and training items, in the caller's transaction.

    Where the image tower was locked, its vectors are the parent's and need no forward pass.
    """
    version = model_versions.register(con, written.version)
    number, parent = version.id or 0, prepared.parent.id or 0
    training = training_of(prepared, tuned, spec, run_id)
    register_parent(con, number, parent, {"kind": "training", **training})
    record_items(con, version, prepared)
    if not tuned.sees_otherwise:
        tables = {"own": vector_table(number, "image"), "parent": vector_table(parent, "image")}
        con.execute(_SAME_VECTORS.format(**tables), {"run_id": run_id})
    return version


def _sweep(tower: TextTower, base: Weights, learned: Weights, prepared: Prepared) -> list[Swept]:
    """Return the steps of the way, straight from weights to weights."""
    return [_step(tower, _between(base, learned, share), share, prepared) for share in SHARES]


def _step(tower: TextTower, weights: Weights, share: float, prepared: Prepared) -> Swept:
    tower.put(weights)
    ranks = _ranks(tower, prepared.dev)
    kept = ranks if prepared.keep is None else _ranks(tower, prepared.keep)
    return Swept(share, recall_of(ranks), recall_of(kept), ranks)


def _ranks(tower: TextTower, material: Material) -> Ints:
    return tower.encoded(material).ranks()


def _between(base: Weights, learned: Weights, share: float) -> Weights:
    import torch

    return {name: torch.lerp(base[name], learned[name], share) for name in base}
