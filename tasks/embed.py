"""Embed shards, or partitions of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from crossmodal.embedding.options import EmbedOptions
from crossmodal.ledger.backfill_records import Backfill, Group
from crossmodal.records import Batch, Lineup
from crossmodal.runs.run import Run
from crossmodal.views.human import counted
from tasks.stage import leave_if_suspended, log, stage

if TYPE_CHECKING:
    import numpy as np

    from crossmodal.embedding.shards import ShardWork
    from crossmodal.encoders.lineup_encoders import Encoders


def _embedded(num_items: int) -> str:
    return f"{counted(num_items, 'item')} went through the models"


@stage("embed", run_name="embed shards {batch.first} to {batch.stop}", found=_embedded)
def embed(run: Run, lineup: Lineup, batch: Batch, options: EmbedOptions) -> int:
    """Embed a batch of shards, committing each; return how many items went through the model."""
    from crossmodal.embedding.shards import embed_batch

    return embed_batch(_shard_work(run, lineup, [batch], options), batch)


@stage("embed", run_name="embed {group.label}", found=_embedded)
def embed_partitions(
    run: Run, lineup: Lineup, backfill: Backfill, group: Group, options: EmbedOptions
) -> int:
    """Embed partition after partition, committing each shard; return how many items that were."""
    from crossmodal.embedding.partitions import embed_partition

    batches = [partition.batch for partition in group.partitions]
    work = _shard_work(run, lineup, batches, options)
    return sum(embed_partition(work, backfill, partition) for partition in group.partitions)


def _shard_work(
    run: Run, lineup: Lineup, batches: Sequence[Batch], options: EmbedOptions
) -> ShardWork:
    """Load the encoders that the batches need, enter the line-up and settle the batch sizes."""
    with run.recorder.span("load model"):  # which is half importing what runs it
        from crossmodal.embedding.backend_choice import with_backends
        from crossmodal.embedding.batch_choice import with_batch_sizes
        from crossmodal.embedding.shards import ShardWork, modalities
        from crossmodal.encoders.lineup_encoders import Encoders
        from crossmodal.models.register import registered_lineup

        served = modalities(batches)
        if options.runner != "ray":  # there the nodes load it, on devices that may lack here
            Encoders(lineup, options.device).load(served)
    encoders = Encoders(registered_lineup(run, lineup), options.device)
    encoders = with_backends(options, run.collection, encoders, batches, run.recorder.add)
    chosen = with_batch_sizes(options, run.collection, encoders, batches, run.recorder.add)
    sizes = chosen.batch_size or dict(chosen.found_batches) or "by the device"
    place = f"{options.device} by {encoders.backend('image')}"
    log("embedding with %s, device %s, batch size %s", lineup.label, place, sizes)
    return ShardWork(
        run_id=run.id,
        collection=run.collection,
        encoders=encoders,
        options=chosen,
        recorder=run.recorder,
        progress=run.progress,
        probes=_probes(run, encoders, served, options),
        between_shards=leave_if_suspended,
        tell=log,
    )


def _probes(
    run: Run, encoders: Encoders, served: Sequence[str], options: EmbedOptions
) -> Mapping[str, np.ndarray]:
    """Return the probes of the versions that will embed, encoding them where this process can."""
    from crossmodal.embedding.probes import ensure_probes, known_probes
    from crossmodal.encoders.cache import load_version

    lineup = encoders.lineup
    versions = {lineup.serving[modality] for modality in served}
    if lineup.short_texts and "text" in served:
        versions.add(lineup.joint)
    if options.runner == "ray":
        return known_probes(run.collection, list(versions))
    with run.recorder.span("probes"):
        return ensure_probes(
            run.collection, list(versions), lambda version: load_version(version, options.device)
        )
