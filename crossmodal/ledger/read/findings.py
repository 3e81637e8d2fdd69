"""Read findings: what was found, where it stands, how it was decided."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb

from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList

_SELECT = """
SELECT f.finding_id, f.chunk_id, f.policy_id, f.policy_hash, f.model_version_id, f.modality,
    f.score, f.is_first, f.evidence, f.run_id, f.found_at, f.state, f.appeal, f.is_hidden,
    f.num_skips, f.holder, f.leased_until, p.said
FROM finding f JOIN policy p ON p.policy_id = f.policy_id AND p.content_hash = f.policy_hash
"""
_DECIDED = """
SELECT * EXCLUDE newest FROM (
    SELECT f.content_hash || ':' || md5(f.spot) AS key,
        arg_max(f.chunk_id, f.finding_id) AS chunk_id, arg_max(f.state, f.finding_id) AS state,
        arg_max(coalesce(nullif(f.evidence ->> '$.text', ''), f.evidence ->> '$.uri', ''),
            f.finding_id) AS shown,
        max(f.finding_id) AS newest
    FROM finding f JOIN policy p ON p.policy_id = f.policy_id AND p.content_hash = f.policy_hash
    WHERE f.policy_id = $policy AND p.said ->> '$.version' = $version
        AND f.modality = $modality AND f.state IN ('violates', 'allowed') AND f.appeal <> 'open'
        AND f.content_hash IS NOT NULL
    GROUP BY key ORDER BY newest DESC LIMIT $most) d
WHERE EXISTS (SELECT 1 FROM {vectors} v WHERE v.chunk_id = d.chunk_id)
    OR EXISTS (SELECT 1 FROM policy_vector k WHERE k.model_version_id = $model
        AND k.role = 'decided' AND k.content_hash = d.key)
ORDER BY key
"""
MAX_DECIDED = 2000
"""The newest decisions that teach; more would not change what is nearest by much."""
STATES = ("open", "violates", "allowed", "withdrawn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Hold what one policy found in one chunk, by what, and what became of it."""

    finding_id: int
    chunk_id: int
    policy_id: str
    policy_hash: str
    policy_version: str
    policy_title: str
    severity: str
    action: str
    category: str
    model_version_id: int
    modality: str
    score: float
    """In standard deviations of what policies of generic sentences would give such a chunk."""
    is_first: bool
    """Above the upper threshold: it stands at the head of the queue."""
    evidence: dict[str, Any]
    """The nearest sentences and examples, thresholds, model, and where in which source."""
    run_id: str
    found_at: datetime
    state: str
    """open, violates, allowed or withdrawn."""
    appeal: str
    """Empty, open, upheld or overturned."""
    is_hidden: bool
    num_skips: int
    holder: str | None
    leased_until: datetime | None

    @property
    def hides(self) -> bool:
        """Return whether the policy hides: what is urgent at once, else what is decided against."""
        return self.action == "hide"

    @property
    def uri(self) -> str:
        """Return the source in which it was found."""
        return str(self.evidence.get("uri", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class DecidedChunk:
    """Hold a chunk that people decided by a policy."""

    key: str
    """Its content's hash and that of its place in it: the same chunk however it is numbered."""
    chunk_id: int
    violates: bool
    shown: str


def find_finding(con: duckdb.DuckDBPyConnection, finding_id: int) -> Finding | None:
    """Return a finding; None where there is none of this number."""
    rows = con.execute(f"{_SELECT} WHERE f.finding_id = ?", [finding_id]).fetchall()
    return _finding(rows[0]) if rows else None


def findings(
    con: duckdb.DuckDBPyConnection,
    state: str | None = "open",
    policy: str | None = None,
    limit: int = 100,
) -> list[Finding]:
    """Return findings of a state, of any where it is None: the most urgent first."""
    rows = con.execute(
        f"{_SELECT} WHERE ($state IS NULL OR f.state = $state) "
        "AND ($policy IS NULL OR f.policy_id = $policy) "
        "ORDER BY f.is_first DESC, f.score DESC, f.finding_id LIMIT $limit",
        {"state": state, "policy": policy, "limit": limit},
    ).fetchall()
    return [_finding(row) for row in rows]


def unjudged(con: duckdb.DuckDBPyConnection, judge: str, limit: int) -> list[Finding]:
    """Return open findings in pictures, frames and pages that a judge has not seen yet."""
    rows = con.execute(
        f"{_SELECT} WHERE f.state = 'open' AND f.modality = 'image' "
        "AND coalesce(f.evidence ->> '$.judge.identity', '') <> $judge "
        "ORDER BY f.is_first DESC, f.score DESC, f.finding_id LIMIT $limit",
        {"judge": judge, "limit": limit},
    ).fetchall()
    return [_finding(row) for row in rows]


def decided_chunks(
    con: duckdb.DuckDBPyConnection, policy_id: str, policy_version: str, held: VectorList
) -> list[DecidedChunk]:
    """Return what people decided by a policy in a list and has a vector there, by key.

    What was taken back is not there, nor what somebody objects to until that is settled.
    """
    rows = con.execute(
        _DECIDED.format(vectors=table_of(held)),
        {
            "policy": policy_id,
            "version": policy_version,
            "modality": held.modality,
            "model": held.version.id,
            "most": MAX_DECIDED,
        },
    ).fetchall()
    return [
        DecidedChunk(key=row[0], chunk_id=row[1], violates=row[2] == "violates", shown=row[3])
        for row in rows
    ]


def finding_counts(con: duckdb.DuckDBPyConnection) -> list[dict[str, Any]]:
    """Return how many findings each policy has of each state, and how many are urgent."""
    rows = con.execute(
        "SELECT policy_id, state, count(*), count(*) FILTER (is_first), "
        "count(*) FILTER (appeal = 'open') FROM finding GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    names = ("policy", "state", "num_findings", "num_first", "num_appeals")
    return [dict(zip(names, row, strict=True)) for row in rows]


def _finding(row: tuple[Any, ...]) -> Finding:
    said = json.loads(row[17])
    return Finding(
        finding_id=row[0],
        chunk_id=row[1],
        policy_id=row[2],
        policy_hash=row[3],
        policy_version=said.get("version", ""),
        policy_title=said.get("title", ""),
        severity=said.get("severity", ""),
        action=said.get("action", ""),
        category=said.get("category", ""),
        model_version_id=row[4],
        modality=row[5],
        score=row[6],
        is_first=row[7],
        evidence=json.loads(row[8]),
        run_id=row[9],
        found_at=row[10],
        state=row[11],
        appeal=row[12],
        is_hidden=row[13],
        num_skips=row[14],
        holder=row[15],
        leased_until=row[16],
    )
