"""Bring the ledger in step with what a plan says of sources that need no forward pass."""

from __future__ import annotations

import duckdb
import pyarrow.parquet as pq

from crossmodal.ledger.sql import one_number
from crossmodal.ledger.write import model_versions, quarantine, runs, shard_writer
from crossmodal.records import Lineup, Plan

_REFUSED_BY_DISCOVERY = "SELECT count(*) FROM quarantine WHERE stage = 'discover'"


def has_work(con: duckdb.DuckDBPyConnection, plan: Plan) -> bool:
    """Say whether settling would write anything; a run with nothing to do takes no write lock."""
    return (
        pq.read_metadata(plan.path).num_rows > 0
        or bool(plan.summary.rejected)
        or one_number(con, _REFUSED_BY_DISCOVERY) > 0
    )


def settle_run(con: duckdb.DuckDBPyConnection, run_id: str, plan: Plan, lineup: Lineup) -> int:
    """Write the plan's rows without embedding and its refusals; return the number of its rows.

    Call it after the run's last shard.
    """
    planned = pq.read_table(plan.path)
    known = model_versions.numbered(con, lineup)
    if known.id is not None:
        runs.set_run_model(con, run_id, known.id)
    shard_writer.apply_plan(con, planned, run_id, known if known.id is not None else None)
    shard_writer.quarantine(con, run_id, plan.summary.rejected, None)
    quarantine.clear_recovered(con, run_id, list(plan.folders))
    return int(planned.num_rows)
