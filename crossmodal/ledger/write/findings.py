"""Write what policies find, and take back what no longer holds.

Invariant: for a chunk, a policy and a text of that policy there is at most one finding that is
open or decided. What people decided is never asked again under the same text, whichever model
finds it; what they had not decided yet is withdrawn when the policy or the model changes.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from crossmodal.ledger.sql import one_number

_GONE = (
    "state = 'open' AND NOT EXISTS (SELECT 1 FROM chunk c JOIN source s USING (content_hash) "
    "WHERE c.chunk_id = f.chunk_id)"
)


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
    """Add findings to the queue, but for chunks that have theirs.

    Returns how many are new, and how many of these are urgent.
    """
    sql = """
        INSERT INTO finding (chunk_id, policy_id, policy_hash, model_version_id, modality, score,
            is_first, evidence, run_id, found_at, state, appeal, is_hidden, num_skips)
        SELECT $chunk_id, $policy_id, $policy_hash, $model_version_id, $modality, $score,
            $is_first, $evidence, $run_id, now(), 'open', '', $is_hidden, 0
        WHERE NOT EXISTS (SELECT 1 FROM finding WHERE chunk_id = $chunk_id
            AND policy_id = $policy_id AND policy_hash = $policy_hash AND state <> 'withdrawn')
    """
    num_new = num_first = 0
    for finding in found:
        is_new = one_number(
            con,
            sql,
            {
                "chunk_id": finding.chunk_id,
                "policy_id": by.policy_id,
                "policy_hash": by.policy_hash,
                "model_version_id": by.model_version_id,
                "modality": by.modality,
                "score": finding.score,
                "is_first": finding.is_first,
                "evidence": json.dumps(finding.evidence, sort_keys=True),
                "run_id": by.run_id,
                "is_hidden": finding.is_hidden,
            },
        )
        num_new += is_new
        num_first += is_new and finding.is_first
    return num_new, num_first


def withdraw_open(con: duckdb.DuckDBPyConnection, policy_id: str, modality: str) -> int:
    """Take back what nobody has decided, before a list is scored anew; return how many."""
    return _withdraw(
        con,
        "policy_id = $policy_id AND modality = $modality AND state = 'open'",
        {"policy_id": policy_id, "modality": modality},
    )


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
