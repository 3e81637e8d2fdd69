"""Write shards to a collection until stopped: ``python -m tests.ledger.work FILE NAME FIRST NUM``.

Prints the number of each shard once it is committed.
"""

from __future__ import annotations

import sys

import numpy as np

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from tests.ledger.build import plan, planned, shard, vector_row, version

DIM = 256
SHARD_SIZE = 40
NUM_SHARED = 10


def shard_rows(name: str, number: int) -> list[dict[str, object]]:
    """Return a shard's sources, the first of which have the same content whoever writes them."""
    own = [planned(f"/{name}/{number}/{i}", f"{name} {number} {i}") for i in range(SHARD_SIZE)]
    shared = [planned(f"/{name}/{number}/s{i}", f"{number} {i}") for i in range(NUM_SHARED)]
    return shared + own


def main(path: str, name: str, first: int, num: int) -> None:
    collection = Collection(path)
    with collection.write() as con:
        model = model_versions.register(con, version(dim=DIM))
    vector = np.full(DIM, DIM**-0.5, dtype=np.float32)
    for number in range(first, first + num):
        rows = shard_rows(name, number)
        table = [vector_row(row, vector) for row in rows]
        with collection.write() as con:
            shard_writer.commit_shard(con, shard(model, plan(*rows), table, name))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
