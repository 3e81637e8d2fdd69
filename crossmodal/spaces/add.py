"""Add a derived space to a collection as one run of its history: fit, register, fill.

Killed before it is registered, nothing has happened; killed while it is filled, the next run of
any kind that writes, or the same command, goes on where it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.write.model_versions import vector_lists
from crossmodal.records import ModelVersion
from crossmodal.runs.options import RunOptions
from crossmodal.runs.progress import Progress
from crossmodal.runs.run import Run, recorded
from crossmodal.spaces.fill import fill, fill_spaces
from crossmodal.spaces.fit import SpaceSpec
from crossmodal.spaces.learn_links import LearnedLinks
from crossmodal.spaces.register import fitted_space, register_space
from crossmodal.views.human import human_bytes

_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """Tell of a space that was added."""

    id: int
    name: str
    label: str
    parent: str
    kind: str
    dim: int
    vectors: dict[str, int]
    """By modality."""
    vector_bytes: int
    parent_bytes: int
    """What the same vectors take in the parent's space."""
    wall_s: float
    learned: LearnedLinks | None
    """Of graphsage."""

    def lines(self) -> list[str]:
        """Return what a person is told."""
        learned = [self.learned.line()] if self.learned else []
        counts = ", ".join(f"{num:,} {modality}" for modality, num in self.vectors.items())
        return [
            f"{self.label} (number {self.id}): {self.kind} of {self.parent}, dim {self.dim}",
            f"{counts} vectors in {self.wall_s:.1f} s, {human_bytes(self.vector_bytes)} in place "
            f"of {human_bytes(self.parent_bytes)}",
            *learned,
            f"now: crossmodal evaluate SET --model {self.name} --against live, then "
            f"crossmodal promote {self.name} --gate SET",
        ]


def add_space(path: str, spec: SpaceSpec, progress: Progress | None = None) -> Added:
    """Fit, register and fill a space; an equal one that is there is only filled.

    Raises:
        ParametersError: the kind or the dimension makes no sense, or there are too few vectors.
        ExtraMissing, TrainingFailed: as ``learn_links`` does.
        CollectionMissing, CollectionEmpty, ModelMismatch: there is no such parent.
    """
    started_s = time.monotonic()
    collection = Collection(path)
    made = fitted_space(collection, spec, progress)
    run = Run(collection, "space", RunOptions())
    with recorded(run, {"kind": spec.kind, "dim": spec.dim, "name": made.name}):
        with collection.write() as con:
            version = register_space(con, made)
        with run.recorder.span("fill spaces") as span:
            span.num_items = fill(collection, version, run.id).num_added
    with collection.read() as con:
        counts = {held.modality: num_vectors(con, held) for held in vector_lists(version)}
    return _added(version, counts, made.learned, time.monotonic() - started_s)


def fill_all(path: str, progress: Progress) -> int:
    """Fill every space of a collection; return how many vectors that took."""
    collection = Collection(path)
    with collection.read():
        pass  # entering it refuses a missing file, which a run would make
    run = Run(collection, "space", RunOptions())
    progress.start(None, "vectors")
    try:
        with recorded(run, {}):
            return fill_spaces(collection, run.id, progress.advance)
    finally:
        progress.finish()


def _added(
    version: ModelVersion, counts: dict[str, int], learned: LearnedLinks | None, wall_s: float
) -> Added:
    assert version.derived is not None
    assert version.id is not None
    num = sum(counts.values()) * _FLOAT_BYTES
    return Added(
        id=version.id,
        name=version.name,
        label=version.label,
        parent=version.derived.parent.label,
        kind=version.derived.kind,
        dim=version.dim,
        vectors=counts,
        vector_bytes=num * version.dim,
        parent_bytes=num * version.derived.parent.dim,
        wall_s=wall_s,
        learned=learned,
    )
