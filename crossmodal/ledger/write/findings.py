"""Write what policies find, and take back what no longer holds.

Invariant: for a place in a content, a policy and a text of that policy there is at most one
finding that is open or decided; a content that is cut anew keeps its findings, whatever numbers its
chunks have then. What people decided is never asked again under the same text, whichever model
finds it; what they had not decided yet is withdrawn when the policy or the model changes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import pyarrow as pa

from crossmodal.ledger.read.hidden import SPOT
from crossmodal.ledger.sql import one_number, registered

_GONE = (
    "state = 'open' AND NOT EXISTS (SELECT 1 FROM chunk c JOIN source s USING (content_hash) "
    "WHERE c.chunk_id = f.chunk_id)"
)

_ADD = f"""
INSERT INTO finding (chunk_id, policy_id, policy_hash, model_version_id, modality, score, is_first,
    evidence, run_id, found_at, state, appeal, is_hidden, num_skips, content_hash, spot)
SELECT chunk_id, $policy_id, $policy_hash, $model_version_id, $modality, score, is_first, evidence,
    $run_id, now(), 'open', '', is_hidden, 0, content_hash, spot
FROM (
    SELECT fresh.*, c.content_hash, {SPOT} AS spot FROM fresh JOIN chunk c USING (chunk_id)
    QUALIFY row_number() OVER (
        PARTITION BY c.content_hash, {SPOT} ORDER BY score DESC, chunk_id) = 1) placed
ANTI JOIN (SELECT content_hash, spot FROM finding WHERE policy_id = $policy_id
    AND policy_hash = $policy_hash AND state <> 'withdrawn') asked USING (content_hash, spot)
ORDER BY score DESC, chunk_id
RETURNING is_first
"""
_SAME = (
    "policy_id = $policy_id AND policy_hash = $policy_hash "
    "AND model_version_id = $model_version_id AND modality = $modality"
)
_RENEW = f"""
UPDATE finding SET score = fresh.score, is_first = fresh.is_first, is_hidden = fresh.is_hidden,
    run_id = $run_id, evidence = CASE WHEN (finding.evidence -> '$.judge') IS NULL
        THEN fresh.evidence ELSE json_merge_patch(fresh.evidence,
            json_object('judge', (finding.evidence -> '$.judge')))::VARCHAR END
FROM fresh WHERE fresh.chunk_id = finding.chunk_id AND state = 'open' AND {_SAME}
"""
_NOT_FOUND_AGAIN = f"""
policy_id = $policy_id AND modality = $modality AND state = 'open' AND NOT coalesce({_SAME}
    AND (leased_until > now() OR chunk_id IN (SELECT chunk_id FROM fresh)), false)
"""
_FOLLOW = f"""
WITH lost AS MATERIALIZED (
    SELECT finding_id, content_hash, spot FROM finding f ANTI JOIN chunk USING (chunk_id)
    WHERE state <> 'withdrawn'),
kept AS (
    SELECT c.chunk_id, c.content_hash, {SPOT} AS spot FROM chunk c
    SEMI JOIN lost USING (content_hash) SEMI JOIN source USING (content_hash)),
moved AS (
    SELECT finding_id, min(chunk_id) AS chunk_id FROM lost JOIN kept USING (content_hash, spot)
    GROUP BY finding_id)
UPDATE finding SET chunk_id = moved.chunk_id FROM moved WHERE finding.finding_id = moved.finding_id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFinding:
    """Say what one policy found in one chunk."""

    chunk_id: int
    score: float
    is_first: bool
    is_hidden: bool
    evidence: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundBy:
    """Say what found: one policy, one model version's list, one run."""

    policy_id: str
    policy_hash: str
    model_version_id: int
    modality: str
    run_id: str


def add_findings(
    con: duckdb.DuckDBPyConnection, by: FoundBy, found: Sequence[NewFinding]
) -> tuple[int, int]:
    """Add findings to the queue, but for places that have theirs.

    Returns how many are new, and how many of these are urgent.
    """
    with registered(con, fresh=_table(found)):
        rows = con.execute(_ADD, asdict(by)).fetchall()
    return len(rows), sum(row[0] for row in rows)


def _table(found: Sequence[NewFinding]) -> pa.Table:
    return pa.table(
        {
            "chunk_id": pa.array([f.chunk_id for f in found], pa.int64()),
            "score": pa.array([f.score for f in found], pa.float64()),
            "is_first": pa.array([f.is_first for f in found], pa.bool_()),
            "is_hidden": pa.array([f.is_hidden for f in found], pa.bool_()),
            "evidence": pa.array(
                [json.dumps(f.evidence, sort_keys=True) for f in found], pa.string()
            ),
        }
    )


def note_evidence(con: duckdb.DuckDBPyConnection, known: dict[int, dict[str, Any]]) -> None:
    """Give open findings their evidence anew; what was decided meanwhile stays as it was logged."""
    for finding_id, evidence in known.items():
        con.execute(
            "UPDATE finding SET evidence = ? WHERE finding_id = ? AND state = 'open'",
            [json.dumps(evidence, sort_keys=True), finding_id],
        )


def renew_open(con: duckdb.DuckDBPyConnection, by: FoundBy, found: Sequence[NewFinding]) -> int:
    """Bring a policy's open findings in step with a list that was scored anew.

    Those that are found again by the same text and model keep their number, their holder and what
    a judge said of them; the others are taken back, unless somebody holds them. Returns how many
    were taken back.
    """
    params = {name: value for name, value in asdict(by).items() if name != "run_id"}
    with registered(con, fresh=_table(found)):
        con.execute(_RENEW, asdict(by))
        return _withdraw(con, _NOT_FOUND_AGAIN, params)


def follow_places(con: duckdb.DuckDBPyConnection) -> int:
    """Give findings of chunks that are gone the chunk that is at their place now; return how many.

    A content that was cut anew has chunks of other numbers; the log keeps the numbers of then.
    """
    return one_number(con, _FOLLOW)


def num_gone(con: duckdb.DuckDBPyConnection) -> int:
    """Return how many open findings are of chunks that no source holds any more."""
    return one_number(con, f"SELECT count(*) FROM finding f WHERE {_GONE}")


def withdraw_gone(con: duckdb.DuckDBPyConnection) -> int:
    """Take back open findings of chunks that no source holds any more; return how many."""
    return _withdraw(con, f"finding_id IN (SELECT finding_id FROM finding f WHERE {_GONE})", {})


def _withdraw(con: duckdb.DuckDBPyConnection, which: str, params: dict[str, Any]) -> int:
    sql = (
        "UPDATE finding SET state = 'withdrawn', is_hidden = false, holder = NULL, "
        f"leased_until = NULL WHERE {which}"
    )
    return one_number(con, sql, params)
