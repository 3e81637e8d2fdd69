"""Read a user's own tables of facts about sources, and join them to the sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from crossmodal.errors import PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write.own_columns import (
    JoinedColumns,
    OwnColumns,
    joined_before,
    put_own_columns,
)
from crossmodal.runs.run import Run
from crossmodal.sources.listing.listing import Listing
from crossmodal.sources.own_columns import read_own_columns, stat_of
from crossmodal.sources.sidecars import columns_of, is_metadata, stat_of_describing
from crossmodal.views.human import counted
from tasks.stage import stage


def _joined(found: Sequence[JoinedColumns]) -> str:
    return ", ".join(
        f"{each.num_joined:,} of {counted(each.num_rows, 'row')} joined" for each in found
    )


@stage("read columns", found=lambda read: counted(len(read), "table"))
def read_columns(run: Run, files: Sequence[str]) -> list[OwnColumns]:
    """Read the tables, so that a wrong one is told before anything is embedded."""
    with run.recorder.span("read columns") as span:
        found = [read_own_columns(file) for file in _paths(files) if not _is_as_before(run, file)]
        span.num_items = sum(each.num_rows for each in found)
    return found


@stage("join columns", found=_joined)
def join_columns(run: Run, files: Sequence[str], read: Sequence[OwnColumns]) -> list[JoinedColumns]:
    """Write what the tables say of the sources; nothing where neither has changed."""
    known = {each.file: each for each in read}
    with run.recorder.span("join columns") as span:
        found = [_join(run, file, known.get(str(file))) for file in _paths(files)]
        span.num_items = sum(each.num_rows for each in found)
    run.extras["columns"] = [asdict(each) for each in found]
    run.notes += [note for each in found for note in each.told()]
    return found


@stage("join described", found=_joined)
def join_described(run: Run, listing: Listing) -> list[JoinedColumns]:
    """Write what archives and tables that were found say of the sources."""
    with run.recorder.span("join described") as span:
        found = join_listed(run.collection, listing, run.notes)
        span.num_items = sum(each.num_rows for each in found)
    return found


def join_listed(collection: Collection, listing: Listing, notes: list[str]) -> list[JoinedColumns]:
    """Join what each says; one that cannot be used is a note, for nobody asked for it by name."""
    found = []
    for name in listing.describing:
        try:
            found.append(_described(collection, name))
        except (PathError, OSError) as error:
            notes.append(f"what {name} says of sources is left as it was: {error}")
    notes += [note for each in found for note in each.told()]
    return found


def _described(collection: Collection, name: str) -> JoinedColumns:
    stat, within = stat_of_describing(name), "" if is_metadata(name) else f"{name}/"
    with collection.read() as con:
        before = joined_before(con, name, stat, within)
    if before:
        return before
    columns = columns_of(name, stat)
    return _put(collection, columns)


def _join(run: Run, file: Path, read: OwnColumns | None) -> JoinedColumns:
    if read is None:
        with run.collection.read() as con:
            before = joined_before(con, str(file), stat_of(file))
        if before:
            return before
    columns = read or read_own_columns(file)
    return _put(run.collection, columns)


def _put(collection: Collection, columns: OwnColumns) -> JoinedColumns:
    _ = columns.caption_words  # before anybody has to wait for the transaction
    with collection.write() as con:
        return put_own_columns(con, columns)


def _is_as_before(run: Run, file: Path) -> bool:
    stat = stat_of(file)
    if not run.collection.exists:
        return False
    with run.collection.read() as con:
        return joined_before(con, str(file), stat) is not None


def _paths(files: Sequence[str]) -> list[Path]:
    return [Path(file).expanduser().absolute() for file in dict.fromkeys(files)]
