"""Read a user's own tables of facts about sources, and join them to the sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from crossmodal.ledger.write.own_columns import (
    JoinedColumns,
    OwnColumns,
    joined_before,
    put_own_columns,
)
from crossmodal.runs.run import Run
from crossmodal.sources.own_columns import read_own_columns, stat_of
from tasks.stage import stage


def _joined(found: Sequence[JoinedColumns]) -> str:
    return ", ".join(f"{each.num_joined:,} of {each.num_rows:,} rows joined" for each in found)


@stage("read columns", found=lambda read: f"{len(read):,} tables")
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


def _join(run: Run, file: Path, read: OwnColumns | None) -> JoinedColumns:
    if read is None:
        with run.collection.read() as con:
            before = joined_before(con, str(file), stat_of(file))
        if before:
            return before
    columns = read or read_own_columns(file)
    with run.collection.write() as con:
        return put_own_columns(con, columns)


def _is_as_before(run: Run, file: Path) -> bool:
    stat = stat_of(file)
    if not run.collection.exists:
        return False
    with run.collection.read() as con:
        return joined_before(con, str(file), stat) is not None


def _paths(files: Sequence[str]) -> list[Path]:
    return [Path(file).expanduser().absolute() for file in dict.fromkeys(files)]
