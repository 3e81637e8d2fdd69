"""Keep policies as they were, the vectors of what they say, and how far each list is scored.

A policy's score of a list is keyed by the policy's hash and the model version: another text or
another model is another score, and what was scored stays scored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crossmodal.ledger.sql import first_row, one_number, registered
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList

AnchorKey = tuple[str, str]
"""The role in which a text or a picture was encoded (query, passage, picture), and its SHA-256; of
a chunk that people decided (decided), the key of ``DecidedChunk``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyScore:
    """Say how far one policy is scored in one list, and by which measure."""

    policy_id: str
    policy_hash: str
    model_version_id: int
    modality: str
    covered_seq: int
    """The last vector that was scored, in the order in which they came."""
    num_vectors: int
    """Of the list when the measure was made."""
    calibration: dict[str, Any]
    refusal: str
    """Why nothing is found by it; empty where it is used."""
    run_id: str


def keep_policy(
    con: duckdb.DuckDBPyConnection, policy_id: str, content_hash: str, said: str, run_id: str
) -> None:
    """Keep a policy's text, once for each hash."""
    con.execute(
        "INSERT INTO policy VALUES (?, ?, ?, ?, now()) ON CONFLICT DO NOTHING",
        [policy_id, content_hash, said, run_id],
    )


def kept_policy(
    con: duckdb.DuckDBPyConnection, policy_id: str, content_hash: str
) -> dict[str, Any]:
    """Return a policy as it was when it was scored; empty where it is not known."""
    sql = "SELECT said FROM policy WHERE policy_id = ? AND content_hash = ?"
    row = first_row(con, sql, [policy_id, content_hash])
    return dict(json.loads(row[0])) if row else {}


def kept_vectors(
    con: duckdb.DuckDBPyConnection, model_version_id: int
) -> dict[AnchorKey, npt.NDArray[np.float32]]:
    """Return the (dim,) unit vectors of all sentences and examples that a version has encoded."""
    sql = "SELECT role, content_hash, v FROM policy_vector WHERE model_version_id = ?"
    rows = con.execute(sql, [model_version_id]).fetchall()
    return {(role, digest): np.asarray(v, dtype=np.float32) for role, digest, v in rows}


def keep_vectors(
    con: duckdb.DuckDBPyConnection,
    model_version_id: int,
    vectors: Mapping[AnchorKey, npt.NDArray[np.float32]],
) -> None:
    """Keep what was encoded, so that nothing is encoded twice."""
    table = pa.table(
        {
            "role": [role for role, _ in vectors],
            "content_hash": [digest for _, digest in vectors],
            "v": pa.array(list(vectors.values()), type=pa.list_(pa.float32())),
        }
    )
    if vectors:
        with registered(con, fresh=table):
            con.execute(
                "INSERT INTO policy_vector SELECT ?, role, content_hash, v FROM fresh "
                "ON CONFLICT DO NOTHING",
                [model_version_id],
            )


def last_score(
    con: duckdb.DuckDBPyConnection, policy_id: str, policy_hash: str, held: VectorList
) -> PolicyScore | None:
    """Return how far a policy is scored in a list; None where it is not."""
    row = first_row(
        con,
        "SELECT covered_seq, num_vectors, calibration, refusal, run_id FROM policy_score "
        "WHERE policy_id = ? AND policy_hash = ? AND model_version_id = ? AND modality = ?",
        [policy_id, policy_hash, held.version.id, held.modality],
    )
    if row is None:
        return None
    return PolicyScore(
        policy_id=policy_id,
        policy_hash=policy_hash,
        model_version_id=held.version.id or 0,
        modality=held.modality,
        covered_seq=row[0],
        num_vectors=row[1],
        calibration=json.loads(row[2]),
        refusal=row[3],
        run_id=row[4],
    )


def keep_score(con: duckdb.DuckDBPyConnection, score: PolicyScore) -> None:
    """Note how far a policy is scored in a list."""
    con.execute(
        "INSERT INTO policy_score VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, now()) "
        "ON CONFLICT DO UPDATE SET covered_seq = excluded.covered_seq, "
        "num_vectors = excluded.num_vectors, calibration = excluded.calibration, "
        "refusal = excluded.refusal, run_id = excluded.run_id, scored_at = excluded.scored_at",
        [
            score.policy_id,
            score.policy_hash,
            score.model_version_id,
            score.modality,
            score.covered_seq,
            score.num_vectors,
            json.dumps(score.calibration, sort_keys=True),
            score.refusal,
            score.run_id,
        ],
    )


def last_seq(con: duckdb.DuckDBPyConnection, held: VectorList) -> int:
    """Return the number of the newest vector of a list; 0 for an empty one."""
    return one_number(con, f"SELECT coalesce(max(seq), 0) FROM {table_of(held)}")
