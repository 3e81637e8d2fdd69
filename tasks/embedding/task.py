"""Open the embedding room to flows: choose a model version, embed shards or partitions of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.embedding.choice import choose_version
from tasks.embedding.options import EmbedOptions, ModelSpec
from tasks.records import Batch, ModelVersion
from tasks.run import Run
from tasks.storage.backfill_records import Backfill, Group
from tasks.task import leave_if_suspended, stage

if TYPE_CHECKING:
    from tasks.embedding.shards import ShardWork


@stage("choose model")
def choose_model(run: Run, spec: ModelSpec | None, dtype: str) -> ModelVersion:
    """Return the model version to embed with; loads no weights."""
    with run.recorder.span("choose model"):
        return choose_version(run.collection, spec, dtype)


@stage("embed", run_name="embed shards {batch.first} to {batch.stop}")
def embed(run: Run, model: ModelVersion, batch: Batch, options: EmbedOptions) -> int:
    """Embed a batch of shards, committing each; return how many items went through the model."""
    from tasks.embedding.shards import embed_batch

    return embed_batch(_shard_work(run, model, options), batch)


@stage("embed", run_name="embed {group.label}")
def embed_partitions(
    run: Run, model: ModelVersion, backfill: Backfill, group: Group, options: EmbedOptions
) -> int:
    """Embed partition after partition, committing each shard; return how many items that were."""
    from tasks.embedding.portions import embed_portion

    work = _shard_work(run, model, options)
    return sum(embed_portion(work, backfill, portion) for portion in group.portions)


def _shard_work(run: Run, model: ModelVersion, options: EmbedOptions) -> ShardWork:
    """Load the model and enter its version, as embedding needs it."""
    from tasks.embedding.loading import load_version
    from tasks.embedding.registration import register_version
    from tasks.embedding.shards import ShardWork

    with run.recorder.span("load model"):
        encoder = load_version(model, options.device)
    registered = register_version(run.collection, run.id, model)
    return ShardWork(
        run_id=run.id,
        collection=run.collection,
        model=registered,
        encoder=encoder,
        options=options,
        recorder=run.recorder,
        progress=run.progress,
        between_shards=leave_if_suspended,
    )
