"""Register model versions; each gets a vector table of its own width.

Two spaces never share a table. One version at a time is live: the one that a search uses unless
it names another. Invariant: a registered version has its vector table.
"""

from __future__ import annotations

import json
from typing import Any

import duckdb

from tasks.errors import ModelMismatch
from tasks.records import ModelVersion
from tasks.storage.tables import first_row, one_number

_COLUMNS = "id, name, revision, weights_hash, preprocessing, dim, dtype, encoders"
_LIVE = "live_model_version"


def vector_table(model_version_id: int) -> str:
    """Return the name of the table that holds this version's vectors."""
    return f"vector_{int(model_version_id)}"


def register(con: duckdb.DuckDBPyConnection, version: ModelVersion) -> ModelVersion:
    """Return the version with its id, making its row and its vector table where new.

    The first version becomes the live one. A known version under another name or revision (a
    directory that was moved) takes the new one, so that a search finds the model where it is now.
    """
    known = first_row(
        con, "SELECT id FROM model_version WHERE fingerprint = ?", [version.fingerprint]
    )
    if known:
        con.execute(
            "UPDATE model_version SET name = $name, revision = $revision "
            "WHERE id = $id AND (name <> $name OR revision <> $revision)",
            {"name": version.name, "revision": version.revision, "id": known[0]},
        )
        return _by_id(con, known[0])
    number = _insert(con, version)
    if live(con) is None:
        set_live(con, number)
    return _by_id(con, number)


def live(con: duckdb.DuckDBPyConnection) -> ModelVersion | None:
    """Return the version that searches use; None before the first was registered."""
    row = first_row(con, "SELECT value FROM collection_setting WHERE key = ?", [_LIVE])
    return _by_id(con, int(row[0])) if row else None


def set_live(con: duckdb.DuckDBPyConnection, model_version_id: int) -> None:
    """Make this version the one that searches use.

    Raises:
        ModelMismatch: it is not registered.
    """
    _by_id(con, model_version_id)
    con.execute(
        "INSERT INTO collection_setting VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [_LIVE, str(model_version_id)],
    )


def find(con: duckdb.DuckDBPyConnection, spec: str) -> list[ModelVersion]:
    """Return the versions whose name, id or label is ``spec``; else those whose label begins so."""
    known = all_versions(con)
    exact = [version for version in known if spec in (version.name, str(version.id), version.label)]
    return exact or [version for version in known if spec and version.label.startswith(spec)]


def all_versions(con: duckdb.DuckDBPyConnection) -> list[ModelVersion]:
    """Return every registered version, oldest first."""
    rows = con.execute(f"SELECT {_COLUMNS} FROM model_version ORDER BY id").fetchall()
    return [_from_row(row) for row in rows]


def number_of(con: duckdb.DuckDBPyConnection, version: ModelVersion) -> int | None:
    """Return the id of a version that may have been registered since it was described."""
    row = first_row(
        con, "SELECT id FROM model_version WHERE fingerprint = ?", [version.fingerprint]
    )
    return int(row[0]) if row else None


def cached_weights_hash(con: duckdb.DuckDBPyConnection, stat_key: str) -> str | None:
    """Return the hash that was remembered for weight files of this path, size and time."""
    row = first_row(con, "SELECT weights_hash FROM model_files WHERE stat_key = ?", [stat_key])
    return str(row[0]) if row else None


def remember_weights_hash(con: duckdb.DuckDBPyConnection, stat_key: str, weights_hash: str) -> None:
    """Keep the hash, so that a run with nothing to do need not read the weights again."""
    con.execute(
        "INSERT INTO model_files VALUES (?, ?) "
        "ON CONFLICT (stat_key) DO UPDATE SET weights_hash = excluded.weights_hash",
        [stat_key, weights_hash],
    )


def _insert(con: duckdb.DuckDBPyConnection, version: ModelVersion) -> int:
    number = one_number(
        con,
        "INSERT INTO model_version (name, revision, weights_hash, preprocessing, dim, dtype, "
        "encoders, fingerprint, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, now()) RETURNING id",
        [
            version.name,
            version.revision,
            version.weights_hash,
            version.preprocessing,
            version.dim,
            version.dtype,
            json.dumps(version.encoders, sort_keys=True),
            version.fingerprint,
        ],
    )
    con.execute(
        f"CREATE TABLE {vector_table(number)} (chunk_id BIGINT PRIMARY KEY, "
        f"run_id VARCHAR NOT NULL, v FLOAT[{int(version.dim)}] NOT NULL)"
    )
    return number


def _by_id(con: duckdb.DuckDBPyConnection, model_version_id: int) -> ModelVersion:
    row = first_row(con, f"SELECT {_COLUMNS} FROM model_version WHERE id = ?", [model_version_id])
    if row is None:
        known = ", ".join(f"{v.id} ({v.label})" for v in all_versions(con)) or "none"
        raise ModelMismatch(
            f"there is no model version {model_version_id} in this collection: it has {known}"
        )
    return _from_row(row)


def _from_row(row: tuple[Any, ...]) -> ModelVersion:
    return ModelVersion(
        id=row[0],
        name=row[1],
        revision=row[2],
        weights_hash=row[3],
        preprocessing=row[4],
        dim=row[5],
        dtype=row[6],
        encoders=json.loads(row[7]),
    )
