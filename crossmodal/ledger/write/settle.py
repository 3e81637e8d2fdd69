"""Bring the ledger in step with what a plan says of sources that need no forward pass."""

from __future__ import annotations

import duckdb
import pyarrow.parquet as pq

from crossmodal.ledger.sql import one_number
from crossmodal.ledger.write import quarantine, runs, shard_writer, undo_log
from crossmodal.ledger.write.own_columns import drop_gone, has_gone
from crossmodal.records import Lineup, Plan

_REFUSED_BY_DISCOVERY = "SELECT count(*) FROM quarantine WHERE stage = 'discover'"


def has_work(con: duckdb.DuckDBPyConnection, plan: Plan) -> bool:
    """Say whether settling would write anything; a run with nothing to do takes no write lock."""
    return (
        pq.read_metadata(plan.path).num_rows > 0
        or bool(plan.summary.rejected)
        or one_number(con, _REFUSED_BY_DISCOVERY) > 0
        or has_gone(con)
    )


def settle_run(con: duckdb.DuckDBPyConnection, run_id: str, plan: Plan, lineup: Lineup) -> int:
    """Write the plan's rows without embedding and its refusals; return the number of its rows.

    Call it after the run's last shard. Versions of the line-up without an id are not in the ledger.
    """
    planned = pq.read_table(plan.path)
    if lineup.id is not None:
        runs.set_run_model(con, run_id, lineup.id)
    shard_writer.apply_plan(con, planned, run_id, lineup if lineup.id is not None else None)
    with undo_log.noted(con, run_id):
        shard_writer.quarantine(con, run_id, plan.summary.rejected, None)
        quarantine.clear_recovered(con, run_id, list(plan.folders))
    drop_gone(con)
    return int(planned.num_rows)
