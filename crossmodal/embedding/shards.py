"""Work through shards: read the plan's rows, embed them, commit; one transaction a part.

A part is a shard, or as much of a slow one as a minute is enough for. Between two parts
nothing is held but the model, so a crash or a cancel costs at most the one in flight. What another
run committed meanwhile is left out before the forward pass.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crossmodal.embedding.commits import CommitSizes
from crossmodal.embedding.probes import Probes, hubs_of
from crossmodal.embedding.through import expected_chunks
from crossmodal.ledger.read.pending import still_pending
from crossmodal.ledger.words.postings import words_of_cut
from crossmodal.ledger.write.shard_writer import ShardCommit, commit_shard
from crossmodal.records import Batch
from crossmodal.views.human import counted

if TYPE_CHECKING:
    from crossmodal.embedding.options import EmbedOptions
    from crossmodal.embedding.shard_query import EmbeddedShard
    from crossmodal.encoders.lineup_encoders import Encoders
    from crossmodal.ledger.collection import Collection
    from crossmodal.runs.progress import Progress
    from crossmodal.runs.recorder import Recorder


@dataclass(frozen=True, slots=True)
class ShardWork:
    """Carry what embedding a batch of shards needs."""

    run_id: str
    collection: Collection
    encoders: Encoders
    """Of a line-up that is registered."""
    options: EmbedOptions
    recorder: Recorder
    progress: Progress
    probes: Probes = field(default_factory=dict)
    """Of the versions that have some: with them the hub terms of vectors are stored too."""
    between_shards: Callable[[], None] = lambda: None
    """May raise to end the run where nothing is in flight."""
    tell: Callable[[str], None] = lambda line: None
    """Takes a sentence about each shard that is committed."""


def embed_batch(work: ShardWork, batch: Batch) -> int:
    """Embed and commit the batch's shards; return how many items went through the model."""
    shards = pq.ParquetFile(batch.shards)
    if batch.first == 0:
        every = pq.read_table(batch.shards, columns=["media_type", "size_bytes"])
        work.progress.start(round(_num_expected(every)), "embedding", "chunks")
    num_embedded = 0
    sizes = CommitSizes()
    for i in range(batch.first, batch.stop):
        shard = shards.read_row_group(i)
        for part, name in sizes.of(shard, f"shard {i + 1} of {shards.num_row_groups}"):
            work.between_shards()
            started_s = time.monotonic()
            embedded = _embed_one(work, part)
            took_s = time.monotonic() - started_s
            work.tell(f"{name}: {_told(part, embedded)} in {took_s:.1f} s")
            if embedded is not None:
                sizes.took(part, took_s)
                num_embedded += embedded.num_vectors
    if batch.stop == shards.num_row_groups:
        work.progress.finish()  # what comes after is not embedding
    return num_embedded


def _told(planned: pa.Table, embedded: EmbeddedShard | None) -> str:
    """Return what became of a shard, in a few words."""
    if embedded is None:
        return f"{counted(planned.num_rows, 'source')}, all embedded by another run"
    reasons = Counter(filter(None, embedded.cut["reason"].to_pylist()))
    refused = ", ".join(f"{number:,} {reason}" for reason, number in reasons.most_common())
    return (
        f"{counted(planned.num_rows, 'source')}, "
        f"{counted(embedded.num_vectors, 'chunk')} embedded, "
        f"refused: {refused or 'none'}"
    )


def modalities(batches: Sequence[Batch]) -> list[str]:
    """Return which modalities the sources of some batches are cut for."""
    found: set[str] = set()
    for batch in batches:
        rows = pq.ParquetFile(batch.shards)
        groups = list(range(batch.first, batch.stop))
        found |= set(rows.read_row_groups(groups, ["modality"])["modality"].unique().to_pylist())
    return sorted(found)


def _num_bytes(planned: pa.Table) -> int:
    return int(pc.sum(planned["size_bytes"]).as_py() or 0)


def _num_expected(planned: pa.Table) -> float:
    pairs = zip(planned["media_type"].to_pylist(), planned["size_bytes"].to_pylist(), strict=True)
    return sum(expected_chunks(media_type or "", size) for media_type, size in pairs)


def _embed_one(work: ShardWork, planned: pa.Table) -> EmbeddedShard | None:
    """Embed and commit what nobody else has meanwhile; None where nothing is left."""
    from crossmodal.embedding.shard_query import embed_shard

    lineup = work.encoders.lineup
    with work.collection.read() as con:
        pending = still_pending(con, planned, lineup)
    work.progress.advance(_num_expected(planned) - _num_expected(pending))
    if pending.num_rows == 0:
        return None
    with work.recorder.span("embed") as span:
        span.num_items = pending.num_rows
        span.num_bytes = _num_bytes(pending)
        embedded = embed_shard(
            pending, work.encoders, work.options, work.recorder.add, work.progress
        )
    with work.recorder.span("store") as span:
        span.num_items = embedded.cut.num_rows
        span.num_bytes = embedded.num_bytes
        commit = ShardCommit(
            run_id=work.run_id,
            lineup=lineup,
            planned=pending,
            cut=embedded.cut,
            vectors=embedded.vectors,
            hubs=hubs_of(embedded.vectors, work.probes),
            words=words_of_cut(embedded.cut),
            spans=work.recorder.drain(),
        )
        with work.collection.write() as con:
            commit_shard(con, commit)
    return embedded
