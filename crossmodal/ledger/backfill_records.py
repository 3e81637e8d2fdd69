"""Define what a backfill is made of: partitions, their counts, and the work in each."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossmodal.records import Batch

MAX_GROUPS = 20
"""Task runs that a backfill is spread over, whatever the number of its partitions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionCount:
    """Count the sources of one partition that are to have a vector."""

    name: str
    num_planned: int
    """All of them, those of media types without a chunker left out."""
    num_done: int
    """Those with a vector, whoever made it."""
    num_failed: int
    """Those in quarantine."""
    num_vectors: int
    num_due: int
    """Forward passes that the plan asks for: one for all copies of a content."""
    bytes_due: int

    @property
    def state(self) -> str:
        """Return done, failed (the rest was refused) or pending."""
        if self.num_done == self.num_planned:
            return "done"
        return "failed" if self.num_done + self.num_failed == self.num_planned else "pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionRecord:
    """Tell of one partition of a backfill."""

    name: str
    num_planned: int
    num_done: int
    num_failed: int
    num_vectors: int
    wall_s: float
    """Seconds spent on it, over all runs that finished it."""
    state: str
    """pending, running, done or failed."""
    run_id: str
    """The run that worked on it last, or found it done."""
    started_s: float | None
    """Seconds since the epoch, as is ``finished_s``."""
    finished_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillRecord:
    """Tell of one backfill."""

    backfill_id: str
    spec: dict[str, Any]
    created_s: float
    num_partitions: int
    num_partitions_done: int
    num_planned: int
    num_done: int
    num_failed: int


@dataclass(frozen=True, slots=True)
class Partition:
    """Name a partition with work, and where its shards are."""

    count: PartitionCount
    batch: Batch


@dataclass(frozen=True, slots=True)
class Group:
    """Hold the partitions that one task works through."""

    partitions: tuple[Partition, ...]

    @property
    def label(self) -> str:
        """Return what the Prefect UI calls the task."""
        first, last = self.partitions[0].count.name, self.partitions[-1].count.name
        return first if first == last else f"{first} to {last}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backfill:
    """Hold a backfill on disk: which source is in which partition, and what is due in each."""

    id: str
    spec: dict[str, Any]
    names: Path
    """Parquet of uri and name, the source's partition."""
    plan: Path
    """PLAN_SCHEMA rows."""
    chunkers: tuple[str, ...]
    """Fingerprints of the chunkers whose vectors count."""
    counts: tuple[PartitionCount, ...] = ()
    partitions: tuple[Partition, ...] = ()
    """The partitions with work."""
    notices: tuple[str, ...] = ()
    """What a person should know of the selection."""

    @property
    def groups(self) -> tuple[Group, ...]:
        """Return the partitions in order, neighbours together where there are many."""
        if not self.partitions:
            return ()
        num_groups = min(len(self.partitions), MAX_GROUPS)
        bounds = [len(self.partitions) * i // num_groups for i in range(num_groups + 1)]
        return tuple(Group(self.partitions[a:b]) for a, b in itertools.pairwise(bounds))
