"""Train a text tower in a process of its own, which a test kills.

    python -m tests.training.train_work COLLECTION PAIRS

Prints the hash of the weights. Random weights get better at what they see, so that is what decides.
"""

from __future__ import annotations

import sys
from dataclasses import replace

from crossmodal.ledger.collection import Collection
from crossmodal.training.epochs import Epoch
from crossmodal.training.prepare import prepare
from crossmodal.training.spec import FinetuneSpec, TowerSpec
from crossmodal.training.tune_towers import checkpoint_of, tune_towers

TOWER = TowerSpec(epochs=8, batch_size=16, learning_rate=3e-3, patience=8)


def main(collection: str, pairs: str) -> None:
    """Train, telling each epoch."""
    spec = FinetuneSpec(pairs=pairs, depth="text", device="cpu", dev_share=0.3, tower=TOWER)
    opened = Collection(collection)
    prepared = prepare(opened, spec)
    prepared = replace(prepared, dev=prepared.train)
    tuned = tune_towers(opened, prepared, spec, _tell)
    checkpoint_of(opened, prepared, spec).clear()
    sys.stdout.write(f"{tuned.weights_hash}\n")


def _tell(epoch: Epoch) -> None:
    sys.stderr.write(f"epoch {epoch.loss}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
