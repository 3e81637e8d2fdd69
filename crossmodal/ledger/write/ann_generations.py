"""Keep in DuckDB which generation of codes is valid, and how well it finds what exact search finds.

The row is what publishes codes: files that it does not name count for nothing, so a collection that
was replaced or restored never takes the codes of another.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import duckdb
import numpy as np

from crossmodal.ledger.sql import first_row
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Say which part of the exact answers the codes found, and with how much effort."""

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
    basis: str
    """Name of the file of their basis."""
    covered_seq: int
    num_vectors: int
    audit: Audit | None


def valid_codes(con: duckdb.DuckDBPyConnection, vectors: VectorList) -> Valid | None:
    """Return which codes belong to a list; None where it has none."""
    row = first_row(
        con,
        "SELECT token, basis, covered_seq, num_vectors, audit FROM search_codes "
        "WHERE model_version_id = ? AND modality = ?",
        [vectors.version.id, vectors.modality],
    )
    if row is None:
        return None
    token, basis, covered_seq, num_vectors, audit = row
    return Valid(token, basis, covered_seq, num_vectors, Audit(**audit) if audit else None)


def put_codes(con: duckdb.DuckDBPyConnection, vectors: VectorList, valid: Valid) -> None:
    """Make this generation the valid one; codes that were learnt anew have no audit yet."""
    con.execute(
        "INSERT INTO search_codes VALUES (?, ?, ?, ?, ?, ?, now(), NULL, NULL) "
        "ON CONFLICT (model_version_id, modality) DO UPDATE SET token = excluded.token, "
        "covered_seq = excluded.covered_seq, num_vectors = excluded.num_vectors, "
        "built_at = excluded.built_at, "
        "audit = CASE WHEN basis = excluded.basis THEN audit END, "
        "audited_at = CASE WHEN basis = excluded.basis THEN audited_at END, "
        "basis = excluded.basis",
        [
            vectors.version.id,
            vectors.modality,
            valid.token,
            valid.basis,
            valid.covered_seq,
            valid.num_vectors,
        ],
    )


def drop_codes(con: duckdb.DuckDBPyConnection, vectors: VectorList) -> None:
    """Let no codes be valid for a list."""
    con.execute(
        "DELETE FROM search_codes WHERE model_version_id = ? AND modality = ?",
        [vectors.version.id, vectors.modality],
    )


def put_audit(
    con: duckdb.DuckDBPyConnection, vectors: VectorList, basis: str, audit: Audit
) -> None:
    """Keep an audit of the codes of this basis, if these are the valid ones still."""
    con.execute(
        "UPDATE search_codes SET audit = $audit, audited_at = now() "
        "WHERE model_version_id = $version AND modality = $modality AND basis = $basis",
        {
            "audit": asdict(audit),
            "version": vectors.version.id,
            "modality": vectors.modality,
            "basis": basis,
        },
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
