"""Choose the batch sizes of a run: remembered for its device, or measured now.

Owns when a search is worth its seconds, and that it happens once: what was found is kept in the
collection, by model version, modality, device and shape of the input.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow.compute as pc
import pyarrow.parquet as pq

from crossmodal.embedding.batch_size import device_name, find_batch_size
from crossmodal.embedding.modalities import HANDLING
from crossmodal.encoders.forward import choose_device
from crossmodal.ledger.write.batch_sizes import BatchSize, remember, remembered
from crossmodal.records import Batch, Span

if TYPE_CHECKING:
    from crossmodal.embedding.modalities.row import OneShape
    from crossmodal.embedding.options import EmbedOptions
    from crossmodal.encoders.lineup_encoders import Encoders
    from crossmodal.ledger.collection import Collection

# A search takes up to three seconds: less than a tenth of what as many photos take on two cores.
MIN_SOURCES = 1000


def with_batch_sizes(
    options: EmbedOptions,
    collection: Collection,
    encoders: Encoders,
    batches: Sequence[Batch],
    record: Callable[[Span], None],
) -> EmbedOptions:
    """Return the options with the batch sizes for this device, searching where that is worth it.

    A size that the user named stays the only one. On Ray the nodes embed, whatever this machine
    is, by the rule. The line-up is registered and its encoders are loaded.
    """
    if options.batch_size or options.runner == "ray":
        return options
    device = choose_device(encoders.device)
    due = _sources_due(batches)
    found: dict[str, int] = {}
    for modality in sorted(m for m in due if HANDLING[m].one_shape):
        key = _key(encoders, modality, device)
        with collection.read() as con:
            known = remembered(con, *key)
        if known is None and due[modality] >= MIN_SOURCES:
            known = _search(encoders, modality, device, record)
            with collection.write() as con:
                remember(con, known)
        if known is not None:
            found[modality] = known.num_items
    return replace(options, found_batches=found)


def _sources_due(batches: Sequence[Batch]) -> dict[str, int]:
    """Return by modality the sources from the first of the batches to the end of the plan."""
    due: dict[str, int] = {}
    for path in {batch.shards for batch in batches}:
        shards = pq.ParquetFile(path)
        first = min(batch.first for batch in batches if batch.shards == path)
        groups = list(range(first, shards.num_row_groups))
        counts = pc.value_counts(shards.read_row_groups(groups, ["modality"])["modality"])
        for row in counts.to_pylist():
            due[row["values"]] = due.get(row["values"], 0) + row["counts"]
    return due


def _key(encoders: Encoders, modality: str, device: str) -> tuple[int, str, str, str]:
    version = encoders.lineup.serving[modality]
    assert version.id is not None, f"{version.label} is not registered"
    shape = _shape(modality).name(encoders.of(modality))
    return version.id, modality, device_name(device), shape


def _shape(modality: str) -> OneShape:
    shape = HANDLING[modality].one_shape
    assert shape is not None, f"items of {modality} differ in shape"
    return shape


def _search(
    encoders: Encoders, modality: str, device: str, record: Callable[[Span], None]
) -> BatchSize:
    """Measure a batch size, and record the time it took in the run's profile."""
    number, _, name, shape = _key(encoders, modality, device)
    started_s, clock = time.time(), time.perf_counter()
    found = find_batch_size(encoders.of(modality), _shape(modality), device)
    record(
        Span(
            stage="find batch size",
            operator="",
            worker=threading.current_thread().name,
            started_s=started_s,
            wall_s=time.perf_counter() - clock,
        )
    )
    return BatchSize(
        model_version_id=number,
        modality=modality,
        device=name,
        shape=shape,
        num_items=found.num_items,
        items_per_s=found.items_per_s,
    )
