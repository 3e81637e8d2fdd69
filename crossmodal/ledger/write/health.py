"""Count what is wrong among the vectors that a run added, and keep what was measured of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from crossmodal.ledger.sql import first_row, one_number
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList

_COUNTS = """
WITH fresh AS (
    SELECT chunk_id, hub, v, array_inner_product(v, v) AS power FROM {table} WHERE run_id = $run_id)
SELECT count(*), count(*) FILTER (isnan(power) OR isinf(power)), count(*) FILTER (power < 1e-12),
    coalesce(min(sqrt(power)), 0), coalesce(max(sqrt(power)), 0)
FROM fresh
"""
# Equal words have equal vectors, wherever they stand: that is no fault.
_EQUAL = """
SELECT coalesce(sum(num), 0) FROM (
    SELECT count(*) AS num FROM {table} v JOIN chunk c USING (chunk_id)
    WHERE v.run_id = $run_id
    GROUP BY hash(v.v)
    HAVING count(DISTINCT c.content_hash) > 1
        AND (count(DISTINCT c.text) > 1 OR max(c.text) = ''))
"""
_HUBS = """
SELECT coalesce(avg((hub > (SELECT avg(hub) + 3 * stddev_pop(hub) FROM {table}))::INT), 0)
FROM {table} WHERE run_id = $run_id AND hub IS NOT NULL
"""
_LATEST = """
SELECT h.run_id, h.model_version_id, h.modality, h.measures, h.findings, epoch(h.measured_at)
FROM health h
QUALIFY row_number() OVER (
    PARTITION BY model_version_id, modality ORDER BY measured_at DESC) <= $runs
ORDER BY model_version_id, modality, measured_at DESC
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthRow:
    """Tell of the vectors that a run added to a list."""

    run_id: str
    model_version_id: int
    modality: str
    measures: dict[str, Any]
    findings: list[str]
    measured_at: datetime


def fresh_counts(con: duckdb.DuckDBPyConnection, held: VectorList, run_id: str) -> dict[str, Any]:
    """Return what is counted among the vectors that a run added to a list, by name."""
    ids, table = {"run_id": run_id}, table_of(held)
    names = ("num_vectors", "num_not_finite", "num_zero", "min_norm", "max_norm")
    found: dict[str, Any] = dict(
        zip(names, first_row(con, _COUNTS.format(table=table), ids) or (), strict=True)
    )
    if not found["num_vectors"]:
        return found | {"num_equal": 0, "hub_share": 0.0}
    equal = one_number(con, _EQUAL.format(table=table), ids)
    hubs = first_row(con, _HUBS.format(table=table), ids) or (0.0,)
    return found | {"num_equal": equal, "hub_share": float(hubs[0])}


def put_health(con: duckdb.DuckDBPyConnection, held: VectorList, row: HealthRow) -> None:
    """Keep what was measured of a list after a run."""
    con.execute(
        "INSERT OR REPLACE INTO health VALUES (?, ?, ?, ?, ?, now())",
        [row.run_id, held.version.id, held.modality, json.dumps(row.measures), row.findings],
    )


def latest_health(con: duckdb.DuckDBPyConnection, num_runs: int) -> list[HealthRow]:
    """Return what was measured after the latest runs of each list, newest first."""
    return [
        HealthRow(
            run_id=run_id,
            model_version_id=version,
            modality=modality,
            measures=json.loads(measures),
            findings=list(findings),
            measured_at=datetime.fromtimestamp(at, UTC),
        )
        for run_id, version, modality, measures, findings, at in con.execute(
            _LATEST, {"runs": num_runs}
        ).fetchall()
    ]
