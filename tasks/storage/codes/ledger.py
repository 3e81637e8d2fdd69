"""Keep in DuckDB which generation of codes is valid, and how well it finds what exact search finds.

The row is what publishes codes: files that it does not name count for nothing, so a collection that
was replaced or restored never takes the codes of another.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np

from tasks.records import VectorList
from tasks.storage.codes.files import Manifest
from tasks.storage.models import table_of
from tasks.storage.tables import first_row

_AUDIT_COLUMNS = "basis, recall, target, effort, covered_seq, num_vectors, num_queries, k, wall_s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Say which part of the exact answers the codes found, and with how much effort."""

    basis: str
    """Name of the file of the basis of these codes, for which alone the figures hold."""
    recall: float
    """Of the ``k`` nearest of each query, the share that was found; 1 is all."""
    target: float
    effort: int
    """Position in EFFORTS."""
    covered_seq: int
    num_vectors: int
    num_queries: int
    k: int
    wall_s: float

    @property
    def passed(self) -> bool:
        """Say whether searches may rely on the codes."""
        return self.recall >= self.target


@dataclass(frozen=True, slots=True)
class Valid:
    """Name the generation of codes that belongs to a list, and what was measured of it."""

    token: str
    covered_seq: int
    num_vectors: int
    audit: Audit | None


def valid_codes(con: duckdb.DuckDBPyConnection, vectors: VectorList) -> Valid | None:
    """Return which codes belong to a list; None where it has none."""
    audited = ", ".join(f"a.{name}" for name in _AUDIT_COLUMNS.split(", "))
    # One statement, and none that sorts: each costs more than what it reads.
    row = first_row(
        con,
        f"SELECT c.token, c.covered_seq, c.num_vectors, {audited} FROM search_codes c "
        "LEFT JOIN search_audit a USING (model_version_id, modality, basis) "
        "WHERE c.model_version_id = ? AND c.modality = ?",
        [vectors.version.id, vectors.modality],
    )
    return Valid(row[0], row[1], row[2], _audit(row[3:])) if row else None


def _audit(row: tuple[Any, ...]) -> Audit | None:
    """Return the audit whose columns these are; None for the nulls of a list that had none."""
    if row[0] is None:
        return None
    return Audit(**dict(zip(_AUDIT_COLUMNS.split(", "), row, strict=True)))


def put_codes(con: duckdb.DuckDBPyConnection, vectors: VectorList, manifest: Manifest) -> None:
    """Make this generation the valid one."""
    con.execute(
        "INSERT OR REPLACE INTO search_codes VALUES (?, ?, ?, ?, ?, ?, now())",
        [
            vectors.version.id,
            vectors.modality,
            manifest.token,
            manifest.basis.name,
            manifest.covered_seq,
            manifest.num_live,
        ],
    )


def drop_codes(con: duckdb.DuckDBPyConnection, vectors: VectorList) -> None:
    """Let no codes be valid for a list."""
    con.execute(
        "DELETE FROM search_codes WHERE model_version_id = ? AND modality = ?",
        [vectors.version.id, vectors.modality],
    )


def put_audit(con: duckdb.DuckDBPyConnection, vectors: VectorList, audit: Audit) -> None:
    """Keep an audit in place of the list's last one."""
    values = [getattr(audit, name) for name in _AUDIT_COLUMNS.split(", ")]
    con.execute(
        "INSERT OR REPLACE INTO search_audit "
        f"(model_version_id, modality, {_AUDIT_COLUMNS}, audited_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, now())",
        [vectors.version.id, vectors.modality, *values],
    )


@dataclass(frozen=True, slots=True)
class Live:
    """Hold which vectors a list has, in the order in which they were written."""

    seqs: np.ndarray
    """(n,) int64, ascending."""
    chunk_ids: np.ndarray
    """(n,) int64."""

    @property
    def last_seq(self) -> int:
        """Return the number of the latest vector; 0 where there is none."""
        return int(self.seqs[-1]) if len(self.seqs) else 0


def live_vectors(con: duckdb.DuckDBPyConnection, vectors: VectorList) -> Live:
    """Return which vectors there are, without reading them."""
    rows = con.execute(f"SELECT seq, chunk_id FROM {table_of(vectors)} ORDER BY seq").fetchnumpy()
    return Live(np.asarray(rows["seq"], np.int64), np.asarray(rows["chunk_id"], np.int64))
