"""Choose what runs a run's image tower: torch, or OpenVINO where it was measured to be faster.

Owns when that is worth its seconds, and that it happens once: both are timed as the batch size is,
and remembered beside each other. Refuses to judge the vectors (``encoders.backends.checked``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from crossmodal.embedding.batch_choice import (
    MIN_SOURCES,
    found_size,
    key_of,
    known_size,
    sources_due,
)
from crossmodal.encoders.backends.names import OPENVINO, TORCH, openvino_version, why_not
from crossmodal.encoders.forward import choose_device
from crossmodal.errors import ExtraMissing, ModelUnsupported
from crossmodal.ledger.write.batch_sizes import BatchSize, remember
from crossmodal.records import Batch, Span

if TYPE_CHECKING:
    from crossmodal.embedding.options import EmbedOptions
    from crossmodal.encoders.lineup_encoders import Encoders
    from crossmodal.ledger.collection import Collection

_MODALITY = "image"
WORTH_CHANGING = 1.1
"""Times torch's pictures a second: two timings of the same differ by less."""
_WORTH_OPENING = 200
"""Pictures: opening and comparing took 4 s of the processor, what 120 of a ViT-B/16 gained."""


def with_backends(
    options: EmbedOptions,
    collection: Collection,
    encoders: Encoders,
    batches: Sequence[Batch],
    record: Callable[[Span], None],
) -> Encoders:
    """Return the encoders with what is to run the image tower; the line-up is registered.

    Raises:
        ExtraMissing, ModelUnsupported: OpenVINO was asked for by name, and cannot be had.
    """
    version = encoders.lineup.serving.get(_MODALITY)
    num_due = sources_due(batches).get(_MODALITY, 0)
    if version is None or not num_due or options.backend == TORCH:
        return encoders
    changed = replace(encoders, backends={_MODALITY: OPENVINO})
    if options.backend == OPENVINO:
        if options.runner == "ray":
            raise ModelUnsupported("--backend openvino: nodes of Ray run torch; leave one of them")
        changed.load([_MODALITY])
        return changed
    on_processor = options.runner != "ray" and choose_device(encoders.device) == "cpu"
    if not on_processor or not openvino_version() or why_not(version) or num_due < _WORTH_OPENING:
        return encoders
    if encoders.of(_MODALITY).has_own_threads:  # a tower of integers, which only OpenVINO runs
        return encoders
    if not _is_faster(collection, encoders, changed, num_due, record):
        return encoders
    try:
        changed.load([_MODALITY])
    except (ExtraMissing, ModelUnsupported):  # it was the same when it was measured
        return encoders
    return changed


def _is_faster(
    collection: Collection,
    encoders: Encoders,
    changed: Encoders,
    num_due: int,
    record: Callable[[Span], None],
) -> bool:
    """Say whether OpenVINO is, as remembered or as measured now where that is worth it."""
    known = known_size(collection, encoders, _MODALITY, OPENVINO)
    ours = known_size(collection, encoders, _MODALITY)
    if num_due >= MIN_SOURCES:
        ours = ours or found_size(collection, encoders, _MODALITY, record)
        known = known or _found(collection, encoders, changed, record)
    if ours is None or known is None:
        return False
    return known.items_per_s > WORTH_CHANGING * ours.items_per_s


def _found(
    collection: Collection,
    encoders: Encoders,
    changed: Encoders,
    record: Callable[[Span], None],
) -> BatchSize:
    """Measure OpenVINO; where it cannot be had, remember that as no pictures a second."""
    try:
        return found_size(collection, changed, _MODALITY, record)
    except (ExtraMissing, ModelUnsupported):
        number, modality, device, shape = key_of(encoders, _MODALITY, OPENVINO)
        none = BatchSize(
            model_version_id=number,
            modality=modality,
            device=device,
            shape=shape,
            num_items=1,
            items_per_s=0.0,
        )
        with collection.write() as con:
            remember(con, none)
        return none
