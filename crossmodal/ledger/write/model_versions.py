"""Register model versions; each gets a vector table a modality, of its own width.

Two spaces never share a table, nor do two modalities of one space: a search goes through each list
by itself. One version at a time is live for each modality: what a search uses unless it names
another. Invariant: a registered version has its vector tables.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import duckdb

from crossmodal.errors import ModelMismatch
from crossmodal.ledger.sql import first_row, one_number
from crossmodal.records import Derivation, Lineup, ModelVersion, VectorList

_COLUMNS = (
    "id, name, revision, weights_hash, preprocessing, dim, dtype, encoders, parent_id, kind, maps"
)
_DESCRIBED = "model_version LEFT JOIN space ON space.model_version_id = model_version.id"
_LIVE = "live_model_version"
_NO_VECTORS = "(SELECT NULL::BIGINT AS chunk_id WHERE false)"


def vector_table(model_version_id: int, modality: str) -> str:
    """Return the name of the table that holds a version's vectors of one modality."""
    assert modality.isalpha(), f"{modality!r} is no modality"
    return f"vector_{int(model_version_id)}_{modality}"


def table_of(vectors: VectorList) -> str:
    """Return the table of a list whose version is registered."""
    return vector_table(vectors.version.id or 0, vectors.modality)


def vector_lists(version: ModelVersion) -> list[VectorList]:
    """Return every list that a version can fill, whichever modalities it serves."""
    return [VectorList(version, modality) for modality in sorted(version.encoders)]


def embedded_sql(lineup: Lineup) -> str:
    """Return a FROM item of the ids of every chunk that has its vector under the line-up.

    Versions that are not registered yet have none. A chunk stands in it at most once.
    """
    tables = [table_of(vectors) for vectors in lineup.lists if vectors.version.id is not None]
    selects = " UNION ALL ".join(f"SELECT chunk_id FROM {table}" for table in tables)
    return f"({selects})" if tables else _NO_VECTORS


def numbered(con: duckdb.DuckDBPyConnection, lineup: Lineup) -> Lineup:
    """Return the line-up with the ids of the versions that are registered by now."""
    known = {version.fingerprint: version for version in all_versions(con)}
    return Lineup(serving={m: known.get(v.fingerprint, v) for m, v in lineup.serving.items()})


def register(con: duckdb.DuckDBPyConnection, version: ModelVersion) -> ModelVersion:
    """Return the version with its id, making its row and its vector table where new.

    A known version under another name or revision (a directory that was moved) takes the new one,
    so that a search finds the model where it is now.
    """
    known = first_row(
        con, "SELECT id FROM model_version WHERE fingerprint = ?", [version.fingerprint]
    )
    if not known:
        # Another collection's version names its parent by the number that it has there.
        parent = register(con, version.derived.parent) if version.derived else None
        return by_id(con, _insert(con, version, parent))
    con.execute(
        "UPDATE model_version SET name = $name, revision = $revision "
        "WHERE id = $id AND (name <> $name OR revision <> $revision)",
        {"name": version.name, "revision": version.revision, "id": known[0]},
    )
    return by_id(con, known[0])


def register_lineup(con: duckdb.DuckDBPyConnection, lineup: Lineup) -> Lineup:
    """Return the line-up with its versions registered; live for modalities that have none yet."""
    ids = {v.fingerprint: register(con, v) for v in lineup.versions}
    registered = Lineup(serving={m: ids[v.fingerprint] for m, v in lineup.serving.items()})
    current = live(con)
    if current is None:
        set_live(con, registered)
    elif current.joint == registered.joint:
        set_live(con, Lineup(serving={**registered.serving, **current.serving}))
    return registered


def live(con: duckdb.DuckDBPyConnection) -> Lineup | None:
    """Return the line-up that searches use; None before the first version was registered."""
    row = first_row(con, "SELECT value FROM collection_setting WHERE key = ?", [_LIVE])
    if row is None:
        return None
    ids = json.loads(row[0])
    return Lineup(serving={modality: by_id(con, number) for modality, number in ids.items()})


def set_live(con: duckdb.DuckDBPyConnection, lineup: Lineup) -> None:
    """Make this line-up the one that searches use.

    Raises:
        ModelMismatch: one of its versions is not registered.
    """
    ids = {m: by_id(con, version.id or 0).id for m, version in lineup.serving.items()}
    con.execute(
        "INSERT INTO collection_setting VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [_LIVE, json.dumps(ids)],
    )


def find(con: duckdb.DuckDBPyConnection, spec: str) -> list[ModelVersion]:
    """Return the version of an alias; else by name, id or label; else by how a label begins."""
    known = all_versions(con)
    aliased = first_row(con, "SELECT model_version_id FROM model_alias WHERE name = ?", [spec])
    if aliased:
        return [version for version in known if version.id == aliased[0]]
    exact = [version for version in known if spec in (version.name, str(version.id), version.label)]
    return exact or [version for version in known if spec and version.label.startswith(spec)]


def all_versions(con: duckdb.DuckDBPyConnection) -> list[ModelVersion]:
    """Return every registered version, oldest first."""
    rows = con.execute(f"SELECT {_COLUMNS} FROM {_DESCRIBED} ORDER BY id").fetchall()
    found: dict[int, ModelVersion] = {}
    for row in rows:  # a parent has the lower number
        found[row[0]] = _from_row(row, found.get)
    return list(found.values())


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


def _insert(
    con: duckdb.DuckDBPyConnection, version: ModelVersion, parent: ModelVersion | None
) -> int:
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
    if version.derived and parent:
        made = version.derived
        con.execute(
            "INSERT INTO space VALUES (?, ?, ?, ?)", [number, parent.id, made.kind, made.maps]
        )
    for modality in version.encoders:
        con.execute(
            f"CREATE TABLE {vector_table(number, modality)} (chunk_id BIGINT PRIMARY KEY, "
            "seq BIGINT NOT NULL DEFAULT nextval('vector_seq'), run_id VARCHAR NOT NULL, "
            f"v FLOAT[{int(version.dim)}] NOT NULL, hub FLOAT)"
        )
    return number


def by_id(con: duckdb.DuckDBPyConnection, model_version_id: int) -> ModelVersion:
    """Return a registered version.

    Raises:
        ModelMismatch: there is none of this number.
    """
    row = first_row(con, f"SELECT {_COLUMNS} FROM {_DESCRIBED} WHERE id = ?", [model_version_id])
    if row is None:
        known = ", ".join(f"{v.id} ({v.label})" for v in all_versions(con)) or "none"
        raise ModelMismatch(
            f"there is no model version {model_version_id} in this collection: it has {known}"
        )
    return _from_row(row, lambda number: by_id(con, number))


def _from_row(
    row: tuple[Any, ...], version_of: Callable[[int], ModelVersion | None]
) -> ModelVersion:
    parent = version_of(row[8]) if row[8] is not None else None
    return ModelVersion(
        id=row[0],
        name=row[1],
        revision=row[2],
        weights_hash=row[3],
        preprocessing=row[4],
        dim=row[5],
        dtype=row[6],
        encoders=json.loads(row[7]),
        derived=Derivation(parent, row[9], row[10]) if parent else None,
    )
