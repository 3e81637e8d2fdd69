"""Embed one partition of a backfill, and keep its row of the ledger true."""

from __future__ import annotations

import time

from crossmodal.embedding.shards import ShardWork, embed_batch
from crossmodal.ledger.backfill_records import Backfill, Partition
from crossmodal.ledger.write import backfills


def embed_partition(work: ShardWork, backfill: Backfill, partition: Partition) -> int:
    """Embed and commit a partition's shards; return how many items went through the model.

    A partition that is cut short stays as running under a run that has ended, which reads as
    pending.
    """
    name = partition.count.name
    alone = len(backfill.partitions) == 1  # its time is that of its run, which is written then
    with work.collection.write() as con:
        backfills.start(con, backfill, name, work.run_id)
    started_s = time.monotonic()
    num_embedded = embed_batch(work, partition.batch)
    with work.collection.write() as con:
        [count] = backfills.count(con, backfill, work.encoders.lineup, name)
        backfills.finish(con, backfill, count, 0.0 if alone else time.monotonic() - started_s)
    return num_embedded
