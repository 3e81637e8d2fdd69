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
from crossmodal.encoders.backends.names import label
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
    due = sources_due(batches)
    found: dict[str, int] = {}
    for modality in sorted(m for m in due if HANDLING[m].one_shape):
        known = known_size(collection, encoders, modality)
        if known is None and due[modality] >= MIN_SOURCES:
            known = found_size(collection, encoders, modality, record)
        if known is not None:
            found[modality] = known.num_items
    return replace(options, found_batches=found)


def known_size(
    collection: Collection, encoders: Encoders, modality: str, backend: str = ""
) -> BatchSize | None:
    """Return what was found before for a modality of one shape; None where nothing was.

    ``backend``: with this one, in place of the encoders' own.
    """
    with collection.read() as con:
        return remembered(con, *key_of(encoders, modality, backend))


def found_size(
    collection: Collection, encoders: Encoders, modality: str, record: Callable[[Span], None]
) -> BatchSize:
    """Measure a batch size of a modality of one shape, and remember it."""
    found = _search(encoders, modality, record)
    with collection.write() as con:
        remember(con, found)
    return found


def sources_due(batches: Sequence[Batch]) -> dict[str, int]:
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


def key_of(encoders: Encoders, modality: str, backend: str = "") -> tuple[int, str, str, str]:
    """Return what a batch size is remembered by: version, modality, device with backend, shape."""
    version = encoders.lineup.serving[modality]
    assert version.id is not None, f"{version.label} is not registered"
    shape = _shape(modality).name(encoders.of(modality))
    device = device_name(choose_device(encoders.device))
    run_by = label(backend or encoders.backend(modality))
    return version.id, modality, f"{device}, {run_by}" if run_by else device, shape


def _shape(modality: str) -> OneShape:
    shape = HANDLING[modality].one_shape
    assert shape is not None, f"items of {modality} differ in shape"
    return shape


def _search(encoders: Encoders, modality: str, record: Callable[[Span], None]) -> BatchSize:
    """Measure a batch size, and record the time it took in the run's profile."""
    number, _, name, shape = key_of(encoders, modality)
    device = choose_device(encoders.device)
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
