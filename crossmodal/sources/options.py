"""Hold what a caller may choose about discovery and planning; costs nothing to import."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

PartitionBy = Literal["prefix", "day", "month", "year", "none"]


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What discovery looks at."""

    include_hidden: bool = False
    """List files and folders whose name begins with a dot."""
    exclude: tuple[str, ...] = ()
    """Absolute paths that are no sources, nor is anything below them or named ``<path>.*``.

    Made for the collection file, whose lock, log and working folders lie beside it.
    """
    patterns: tuple[str, ...] = ()
    """What is left out, as in a .gitignore, from each folder that was given."""
    archives: bool = False
    """List the members of tars, and the media in rows of Parquet files, in place of those."""
    heed_ignore_files: bool = True
    """Leave out what .gitignore and .crossmodalignore files name."""
    batch_rows: int = 65_536
    """Rows held in memory before they go to the manifest."""


@dataclass(frozen=True, slots=True)
class PlanRules:
    """What a plan may do."""

    retry_failed: bool = False
    """Try quarantined content again although it has not changed."""
    allow_delete: bool = False
    """Delete even where a root is missing or most of its sources are gone."""
    max_delete_fraction: float = 0.5
    """Above this share of a root's known sources, a loss is taken for a fault and withheld."""
    min_known_for_guard: int = 10
    """Roots with fewer known sources are not guarded by the share."""
    max_attempts: int = 3
    """How often a transient failure is tried without being asked."""
    shard_size: int = 512
    """Sources embedded and committed together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which of the sources found a backfill is about, and how it divides them."""

    partition_by: PartitionBy = "prefix"
    """By folder, by date of the file (UTC), or not at all."""
    depth: int = 1
    """Levels of folders below a root that make a prefix; 0 makes every root one partition."""
    since: date | None = None
    """First day of the file's date (UTC)."""
    until: date | None = None
    """Last day, included."""
    listed: str | None = None
    """A file that names the sources, one a line."""
    only_failed: bool = False
    """Only what is in quarantine."""
    partitions: tuple[str, ...] = ()
    """Only these partitions; empty for all."""
