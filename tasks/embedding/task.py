"""Open the embedding room to flows: choose a model version, embed a batch of shards."""

from __future__ import annotations

from tasks.embedding.choice import choose_version
from tasks.embedding.options import EmbedOptions, ModelSpec
from tasks.records import Batch, ModelVersion
from tasks.run import Run
from tasks.task import stage


@stage("choose model")
def choose_model(run: Run, spec: ModelSpec | None, dtype: str) -> ModelVersion:
    """Return the model version to embed with; loads no weights."""
    with run.recorder.span("choose model"):
        return choose_version(run.collection, spec, dtype)


@stage("embed", run_name="embed shards {batch.first} to {batch.stop}")
def embed(run: Run, model: ModelVersion, batch: Batch, options: EmbedOptions) -> int:
    """Embed a batch of shards, committing each; return how many items went through the model."""
    from tasks.embedding.encoder import load_version
    from tasks.embedding.registration import register_version
    from tasks.embedding.shards import ShardWork, embed_batch

    with run.recorder.span("load model"):
        encoder = load_version(model, options.device)
    registered = register_version(run.collection, run.id, model)
    work = ShardWork(
        run.id, run.collection, registered, encoder, options, run.recorder, run.progress
    )
    return embed_batch(work, batch)
