"""Narrow a listing down to the sources that a backfill is about, each in one partition.

Owns dates, lists and names; refuses to judge the sources: the plan of what was selected does.
Invariant: a narrowed listing has no roots, so that nothing which a backfill does not look at can
be taken for deleted or renamed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from crossmodal.errors import PathError
from crossmodal.records import MANIFEST_SCHEMA
from crossmodal.sources.listing.list_file import digest, read_listed
from crossmodal.sources.listing.listing import Listing
from crossmodal.sources.options import Selection
from crossmodal.sources.parquet import write_query
from crossmodal.sources.partitions.partitions import name_sql
from crossmodal.sources.planning.temp_tables import (
    name_file,
    open_ledger,
    register_scope,
    register_uris,
    rows,
)

NAMES_SCHEMA = pa.schema([*MANIFEST_SCHEMA, pa.field("name", pa.string(), nullable=False)])
"""The selected sources, each with its partition."""

_SELECT = """
WITH placed AS (
    SELECT m.*, r.prefix, regexp_replace(m.uri, '/[^/]*$', '') AS folder, $depth AS depth
    FROM seen m JOIN scope r ON r.root = m.root
    WHERE ($since_ns IS NULL OR m.mtime_ns >= $since_ns)
      AND ($before_ns IS NULL OR m.mtime_ns < $before_ns)
      AND (m.mtime_ns <> 0 OR ($since_ns IS NULL AND $before_ns IS NULL))
      AND (NOT $only_listed OR m.uri IN (SELECT uri FROM listed))
      AND (NOT $only_failed OR m.uri IN (SELECT uri FROM quarantine)))
SELECT uri, root, size_bytes, mtime_ns, {name} AS name FROM placed ORDER BY uri
"""
_KEEP = """
SELECT * FROM read_parquet($names) WHERE list_contains($partitions, name) ORDER BY uri
"""
_NARROW = "SELECT * EXCLUDE (name) FROM read_parquet($names) ORDER BY uri"
_NUM_BYTES = "SELECT coalesce(sum(size_bytes), 0)::BIGINT FROM read_parquet($names)"
_NUM_UNLISTED = "SELECT count(*) FROM listed ANTI JOIN seen USING (uri)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """Hold what a backfill is about."""

    listing: Listing
    """Of the selected sources only, without roots."""
    names: Path
    """Parquet of NAMES_SCHEMA."""
    spec: dict[str, Any]
    """The request in full, as far as it decides which sources are selected and how divided."""
    notices: tuple[str, ...]
    """What a person should know, such as listed sources that were not found."""


def select(
    con: duckdb.DuckDBPyConnection | None, listing: Listing, workdir: Path, selection: Selection
) -> Selected:
    """Write the sources that a backfill is about, each with its partition.

    Args:
        con: the collection, open for reading; None where there is none yet.
        listing: what was found below the paths.
        workdir: where the files go.
        selection: what is asked for.

    Raises:
        PathError: a path is missing, the list cannot be read, or no such partition was found.
    """
    _refuse_missing(listing)
    listed = read_listed(selection.listed) if selection.listed else set()
    names, manifest = workdir / "names.parquet", workdir / "selected.parquet"
    with open_ledger(con) as ledger:
        register_scope(ledger, listing.roots)
        register_uris(ledger, "listed", listed)
        name_file(ledger, "seen", listing.manifest)
        chosen = _SELECT.format(name=name_sql(selection.partition_by))
        write_query(ledger, chosen, _bounds(selection), NAMES_SCHEMA, names)
        if selection.partitions:
            names = _keep(ledger, names, selection.partitions)
        files = {"names": str(names)}
        num_found = write_query(ledger, _NARROW, files, MANIFEST_SCHEMA, manifest)
        [(num_bytes,)] = rows(ledger, _NUM_BYTES, files)
        [(num_unlisted,)] = rows(ledger, _NUM_UNLISTED)
    narrowed = replace(
        listing, manifest=manifest, num_found=num_found, bytes_found=num_bytes, roots=[]
    )
    spec = _spec(listing, selection, listed)
    return Selected(
        listing=narrowed, names=names, spec=spec, notices=_notices(num_unlisted, len(listed))
    )


def _refuse_missing(listing: Listing) -> None:
    missing = [root.root for root in listing.roots if root.missing]
    if missing:
        raise PathError(
            f"there is nothing at {', '.join(missing)} to backfill from: check the spelling, or "
            "mount the disk"
        )


def _bounds(selection: Selection) -> dict[str, Any]:
    return {
        "since_ns": _midnight_ns(selection.since),
        "before_ns": _midnight_ns(selection.until and selection.until + timedelta(days=1)),
        "only_listed": selection.listed is not None,
        "only_failed": selection.only_failed,
        "depth": selection.depth,
    }


def _midnight_ns(day: date | None) -> int | None:
    if day is None:
        return None
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000_000


def _keep(ledger: duckdb.DuckDBPyConnection, names: Path, partitions: tuple[str, ...]) -> Path:
    """Write the rows of the given partitions only.

    Raises:
        PathError: one of them is not there.
    """
    found = {n for (n,) in rows(ledger, "SELECT DISTINCT name FROM read_parquet(?)", [str(names)])}
    unknown = sorted(set(partitions) - found)
    if unknown:
        some = ", ".join(sorted(found)[:10]) or "none"
        raise PathError(
            f"there is no partition {', '.join(unknown)} among these sources, but {len(found):,} "
            f"others: {some}. A dry run lists them"
        )
    kept = names.with_name("kept.parquet")
    params = {"names": str(names), "partitions": list(partitions)}
    write_query(ledger, _KEEP, params, NAMES_SCHEMA, kept)
    return kept


def _spec(listing: Listing, selection: Selection, listed: set[str]) -> dict[str, Any]:
    """Return what makes two requests the same backfill, whichever of its partitions they name."""
    return {
        "roots": sorted(root.root for root in listing.roots),
        "include_hidden": any(root.sees_hidden for root in listing.roots),
        "partition_by": selection.partition_by,
        "depth": selection.depth if selection.partition_by == "prefix" else None,
        "since": str(selection.since) if selection.since else None,
        "until": str(selection.until) if selection.until else None,
        "listed": digest(listed) if selection.listed else None,
        "only_failed": selection.only_failed,
    }


def _notices(num_unlisted: int, num_listed: int) -> tuple[str, ...]:
    if not num_unlisted:
        return ()
    return (
        f"{num_unlisted:,} of {num_listed:,} listed sources are not below the given paths: they "
        "are left out",
    )
