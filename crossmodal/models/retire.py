"""Collect model versions that nobody needs any more, and free what their vectors take.

Owns which versions are kept: those that are live, pinned, in an A/B trial, that have an alias, that
a rollback would go back to, that a run works with, that a kept space is derived from, and the
newest few. Refuses to guess: what would go is told first, with its bytes, and nothing goes unless
it is asked for.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from crossmodal.errors import ModelMismatch
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.sql import first_row
from crossmodal.ledger.write import model_versions, undo_log
from crossmodal.ledger.write.model_versions import table_of, vector_lists
from crossmodal.ledger.write.trials import trial_of
from crossmodal.models import promotion_log
from crossmodal.models.lineage import lineage_of
from crossmodal.records import ModelVersion
from crossmodal.vectors.ann.generation import folder_of

_FLOAT_BYTES = 4
_ROW_BYTES = 16
"""Chunk id and place; the index over them and the run's name are left out."""
_OF_VERSION = (
    "probe",
    "calibration",
    "health",
    "search_codes",
    "batch_size",
    "lineage",
    "space",
    "space_edge",
    "training_item",
    "pinned_version",
    "model_alias",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """Tell of one version that goes, or would go."""

    id: int
    label: str
    num_vectors: int
    freed_bytes: int
    """Of the database, which uses them again, and of the codes beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """Tell what a collection of unneeded versions does."""

    done: bool
    """False for a dry run."""
    retired: list[Retired]
    kept: dict[str, str]
    """By label why it stays."""

    @property
    def freed_bytes(self) -> int:
        """Return what all of them free."""
        return sum(version.freed_bytes for version in self.retired)


def pin(con: duckdb.DuckDBPyConnection, spec: str, why: str) -> ModelVersion:
    """Keep a version from ever being collected.

    Raises:
        ModelMismatch: there is none of that name, number or label.
    """
    found = one_version(con, spec)
    con.execute(
        "INSERT INTO pinned_version VALUES (?, ?, now()) ON CONFLICT DO NOTHING", [found.id, why]
    )
    return found


def unpin(con: duckdb.DuckDBPyConnection, spec: str) -> ModelVersion:
    """Let a pinned version be collected again; raises as ``pin`` does."""
    found = one_version(con, spec)
    con.execute("DELETE FROM pinned_version WHERE model_version_id = ?", [found.id])
    return found


def collect(collection: Collection, keep: int, *, dry_run: bool = True) -> Collected:
    """Drop all but the newest ``keep`` versions and those that are needed; one transaction.

    The files of their codes go after the commit: a crash in between leaves files that no row
    names and that the next collection finds.
    """
    with collection.read() as con:
        told = _collected(con, collection.path, keep, done=False)
    if dry_run:
        return told
    with collection.write() as con:
        done = _collected(con, collection.path, keep, done=True)
        for version in done.retired:
            _drop(con, model_versions.by_id(con, version.id))
        left = {
            table_of(held) for v in model_versions.all_versions(con) for held in vector_lists(v)
        }
    _remove_codes(collection.path, left)
    return done


def retire_one(collection: Collection, spec: str, *, dry_run: bool = True) -> Retired:
    """Drop one version, unless it is needed.

    Raises:
        ModelMismatch: there is none of that name, number or label, or something needs it.
    """
    with collection.read() as con:
        told = _retirable(con, collection.path, spec)
    if dry_run:
        return told
    with collection.write() as con:
        done = _retirable(con, collection.path, spec)
        _drop(con, model_versions.by_id(con, done.id))
        left = {
            table_of(held) for v in model_versions.all_versions(con) for held in vector_lists(v)
        }
    _remove_codes(collection.path, left)
    return done


def _retirable(con: duckdb.DuckDBPyConnection, path: Path, spec: str) -> Retired:
    version = one_version(con, spec)
    reason = _needed(con, model_versions.all_versions(con), 0).get(version.id or 0)
    if reason:
        raise ModelMismatch(
            f"{version.label} stays: {reason}. Promote another, unpin it or wait for the run, and "
            "forget it then"
        )
    return _retired(con, path, version)


def _collected(con: duckdb.DuckDBPyConnection, path: Path, keep: int, *, done: bool) -> Collected:
    versions = model_versions.all_versions(con)
    needed = _needed(con, versions, keep)
    return Collected(
        done=done,
        retired=[_retired(con, path, v) for v in versions if v.id not in needed],
        kept={v.label: needed[v.id] for v in versions if v.id in needed and v.id is not None},
    )


def _needed(
    con: duckdb.DuckDBPyConnection, versions: list[ModelVersion], keep: int
) -> dict[int, str]:
    """Return why each version stays that does, by its number."""
    live, before = model_versions.live(con), promotion_log.standing(con)
    reasons: dict[int, str] = {v.id or 0: "among the newest" for v in versions[-keep:] if keep}
    reasons |= dict.fromkeys(
        _numbers(con, "SELECT model_version_id FROM run WHERE state = 'running'"),
        "a run works with it",
    )
    reasons |= dict.fromkeys(
        _numbers(con, "SELECT model_version_id FROM model_alias"), "has an alias"
    )
    reasons |= dict.fromkeys(_numbers(con, "SELECT model_version_id FROM pinned_version"), "pinned")
    trial = trial_of(con)
    reasons |= {trial.version_id: "in an A/B trial"} if trial else {}
    reasons |= dict.fromkeys(before.before.values() if before else (), "live before")
    reasons |= dict.fromkeys((v.id or 0 for v in live.versions) if live else (), "live")
    for number in list(reasons):
        made = lineage_of(con, number)
        while made is not None and made.needs_parent:
            reasons.setdefault(made.parent_id, f"the space {number} is derived from it")
            made = lineage_of(con, made.parent_id)
    return reasons


def _numbers(con: duckdb.DuckDBPyConnection, sql: str) -> list[int]:
    return [row[0] for row in con.execute(sql).fetchall() if row[0] is not None]


def _retired(con: duckdb.DuckDBPyConnection, path: Path, version: ModelVersion) -> Retired:
    lists = vector_lists(version)
    count = sum(num_vectors(con, held) for held in lists)
    codes = sum(_size_of(folder_of(path, held)) for held in lists)
    row_bytes = version.dim * _FLOAT_BYTES + _ROW_BYTES
    return Retired(
        id=version.id or 0,
        label=version.label,
        num_vectors=count,
        freed_bytes=count * row_bytes + codes,
    )


def _drop(con: duckdb.DuckDBPyConnection, version: ModelVersion) -> None:
    for held in vector_lists(version):
        con.execute(f"DROP TABLE {table_of(held)}")
        undo_log.drop_list(con, table_of(held))
    for table in _OF_VERSION:
        con.execute(f"DELETE FROM {table} WHERE model_version_id = ?", [version.id])
    con.execute("DELETE FROM model_version WHERE id = ?", [version.id])


def _remove_codes(collection: Path, left: set[str]) -> None:
    folder = Path(f"{collection}.codes")
    for codes in folder.iterdir() if folder.is_dir() else ():
        if codes.name.startswith("vector_") and codes.name not in left:
            shutil.rmtree(codes, ignore_errors=True)


def _size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def one_version(con: duckdb.DuckDBPyConnection, spec: str) -> ModelVersion:
    """Return the version of a name, number or label.

    Raises:
        ModelMismatch: there is none.
    """
    found = model_versions.find(con, spec)
    if not found:
        known = ", ".join(v.label for v in model_versions.all_versions(con)) or "none"
        raise ModelMismatch(f"there is no model version {spec!r} in this collection, only {known}")
    return found[-1]


def is_pinned(con: duckdb.DuckDBPyConnection, model_version_id: int) -> bool:
    """Say whether a version is pinned."""
    sql = "SELECT 1 FROM pinned_version WHERE model_version_id = ?"
    return first_row(con, sql, [model_version_id]) is not None
