"""Keep what makes the scores of a list comparable: probes of a version, hub terms, tables.

Hub terms stand beside the vectors, in the column ``hub``; null is not computed yet. Invariant: hub
terms and tables of a version belong to the probes that the ledger holds of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crossmodal.ledger.sql import among, first_row, one_number, registered
from crossmodal.ledger.write.model_versions import table_of, vector_lists
from crossmodal.records import ModelVersion, VectorList


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredTable:
    """Hold the table of one list as the ledger keeps it; see ``vectors.calibration.merit``."""

    num_vectors: int
    tail_start: float
    tail_mean: float
    tail_rate: float
    mean_hub: float
    knots: bytes
    """float32 values."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Count the vectors of a list."""

    num_vectors: int
    num_without_hub: int


def probes_of(
    con: duckdb.DuckDBPyConnection, version: ModelVersion, revision: str
) -> npt.NDArray[np.float32] | None:
    """Return the (p, dim) probes of a version; None where it has none of this revision yet."""
    row = first_row(
        con,
        "SELECT vectors FROM probe WHERE model_version_id = ? AND revision = ?",
        [version.id, revision],
    )
    return np.frombuffer(row[0], np.float32).reshape(-1, version.dim) if row else None


def has_probes(con: duckdb.DuckDBPyConnection, version: ModelVersion, revision: str) -> bool:
    """Say whether the ledger has the probes of a version, without reading them."""
    sql = "SELECT count(*) FROM probe WHERE model_version_id = ? AND revision = ?"
    return one_number(con, sql, [version.id, revision]) > 0


def put_probes(
    con: duckdb.DuckDBPyConnection,
    version: ModelVersion,
    revision: str,
    vectors: npt.NDArray[np.float32],
) -> None:
    """Keep the (p, dim) unit vectors of a version's probes; those of another revision go.

    What was computed with the former ones goes too.
    """
    if has_probes(con, version, revision):
        return
    con.execute("DELETE FROM probe WHERE model_version_id = ?", [version.id])
    con.execute("DELETE FROM calibration WHERE model_version_id = ?", [version.id])
    for vectors_list in vector_lists(version):
        con.execute(f"UPDATE {table_of(vectors_list)} SET hub = NULL WHERE hub IS NOT NULL")
    blob = np.ascontiguousarray(vectors, np.float32).tobytes()
    con.execute("INSERT INTO probe VALUES (?, ?, ?, now())", [version.id, revision, blob])


def extent(con: duckdb.DuckDBPyConnection, vectors: VectorList) -> Extent:
    """Return how many vectors a list has, and how many of them lack a hub term."""
    sql = f"SELECT count(*), count(*) - count(hub) FROM {table_of(vectors)}"
    return Extent(*(first_row(con, sql) or (0, 0)))


def put_hubs(
    con: duckdb.DuckDBPyConnection,
    vectors: VectorList,
    chunk_ids: npt.NDArray[np.int64],
    hubs: npt.NDArray[np.float32],
) -> None:
    """Set the hub terms of chunks that lack one; chunks that are gone by now are passed over."""
    table = table_of(vectors)
    with registered(con, computed=pa.table({"chunk_id": chunk_ids, "hub": hubs})):
        con.execute(
            f"UPDATE {table} SET hub = c.hub FROM computed c "
            f"WHERE c.chunk_id = {table}.chunk_id AND {table}.hub IS NULL"
        )


def hubs_of(
    con: duckdb.DuckDBPyConnection, vectors: VectorList, chunk_ids: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Return (n,) float32 hub terms of chunks; NaN where there is none."""
    if not len(chunk_ids):
        return np.zeros(0, np.float32)
    condition, bound = among(chunk_ids)
    rows = con.execute(
        f"SELECT chunk_id, hub FROM {table_of(vectors)} WHERE {condition}", bound
    ).fetchnumpy()
    return hubs_among(*_ascending(rows), chunk_ids)


def all_hubs(
    con: duckdb.DuckDBPyConnection, vectors: VectorList
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Return the ids of a list's chunks, ascending, and their hub terms; NaN where there is none.

    Both are (n,), int64 and float32.
    """
    rows = con.execute(f"SELECT chunk_id, hub FROM {table_of(vectors)}").fetchnumpy()
    return _ascending(rows)


def hubs_among(
    ids: npt.NDArray[np.int64], hubs: npt.NDArray[np.float32], chunk_ids: npt.NDArray[np.int64]
) -> npt.NDArray[np.float32]:
    """Return (n,) float32: of the hub terms of ascending ``ids`` those of chunks; NaN for none."""
    found = np.full(len(chunk_ids), np.nan, np.float32)
    if len(ids):
        place = np.minimum(np.searchsorted(ids, chunk_ids), len(ids) - 1)
        same = ids[place] == chunk_ids
        found[same] = hubs[place[same]]
    return found


def _ascending(rows: Mapping[str, Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    ids = np.asarray(rows["chunk_id"], np.int64)
    order = np.argsort(ids)
    return ids[order], np.ma.filled(rows["hub"], np.nan).astype(np.float32)[order]


def stored_table(con: duckdb.DuckDBPyConnection, vectors: VectorList) -> StoredTable | None:
    """Return the table of a list; None where none was fitted."""
    row = first_row(
        con,
        "SELECT num_vectors, tail_start, tail_mean, tail_rate, mean_hub, knots FROM calibration "
        "WHERE model_version_id = ? AND modality = ?",
        [vectors.version.id, vectors.modality],
    )
    names = StoredTable.__dataclass_fields__
    return StoredTable(**dict(zip(names, row, strict=True))) if row else None


def put_table(con: duckdb.DuckDBPyConnection, vectors: VectorList, table: StoredTable) -> None:
    """Keep the table of a list in place of the one that it had."""
    drop_table(con, vectors)
    con.execute(
        "INSERT INTO calibration VALUES ($id, $modality, $num_vectors, $tail_start, $tail_mean, "
        "$tail_rate, $mean_hub, $knots, now())",
        {"id": vectors.version.id, "modality": vectors.modality, **asdict(table)},
    )


def drop_table(con: duckdb.DuckDBPyConnection, vectors: VectorList) -> None:
    """Let a list have no table."""
    con.execute(
        "DELETE FROM calibration WHERE model_version_id = ? AND modality = ?",
        [vectors.version.id, vectors.modality],
    )
