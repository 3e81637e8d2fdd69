"""Work through shards: read the plan's rows, embed them, commit; one transaction a shard.

Between two shards nothing is held but the model, so a crash or a cancel costs at most the shard
in flight. What another run committed meanwhile is left out before the forward pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.chunking.registry import fingerprints
from tasks.records import Batch, ModelVersion
from tasks.storage.pending import still_pending
from tasks.storage.writer import ShardCommit, commit_shard

if TYPE_CHECKING:
    from tasks.embedding.encoder import Encoder
    from tasks.embedding.options import EmbedOptions
    from tasks.profiling.progress import Progress
    from tasks.profiling.recorder import Recorder
    from tasks.storage.collection import Collection


@dataclass(frozen=True, slots=True)
class ShardWork:
    """Carry what embedding a batch of shards needs."""

    run_id: str
    collection: Collection
    model: ModelVersion
    encoder: Encoder
    options: EmbedOptions
    recorder: Recorder
    progress: Progress
    between_shards: Callable[[], None] = lambda: None
    """May raise to end the run where nothing is in flight."""


def embed_batch(work: ShardWork, batch: Batch) -> int:
    """Embed and commit the batch's shards; return how many items went through the model."""
    shards = pq.ParquetFile(batch.shards)
    if batch.first == 0:
        work.progress.start(shards.metadata.num_rows, "embedding")
    num_embedded = 0
    for i in range(batch.first, batch.stop):
        work.between_shards()
        num_embedded += _embed_one(work, shards.read_row_group(i))
    return num_embedded


def _embed_one(work: ShardWork, planned: pa.Table) -> int:
    from tasks.embedding.query import embed_shard

    with work.collection.read() as con:
        pending = still_pending(con, planned, work.model, list(fingerprints().values()))
    work.progress.advance(planned.num_rows - pending.num_rows)
    if pending.num_rows == 0:
        return 0
    with work.recorder.span("embed") as span:
        span.num_items = pending.num_rows
        span.num_bytes = sum(pending["size_bytes"].to_pylist())
        embedded = embed_shard(
            pending, work.encoder, work.options, work.recorder.add, work.progress.advance
        )
    with work.recorder.span("store") as span:
        span.num_items = embedded.num_rows
        span.num_bytes = embedded.nbytes
        commit = ShardCommit(work.run_id, work.model, pending, embedded, work.recorder.drain())
        with work.collection.write() as con:
            commit_shard(con, commit)
    return int(embedded.num_rows - embedded["vector"].null_count)
