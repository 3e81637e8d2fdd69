"""Keep the history of runs: who did what when, how it ended, and how long each part took.

A run that dies without a word stays 'running' until the next one starts on the same host, finds
its process gone and marks it 'interrupted'.
"""

from __future__ import annotations

import json
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb

from crossmodal.errors import CollectionError
from crossmodal.ledger.processes import is_same_process
from crossmodal.ledger.sql import first_row
from crossmodal.records import Span

_COLUMNS = """
SELECT run_id, flow, params, code_version, model_version_id, host, pid, epoch(started_at),
    epoch(finished_at), state, counts, message, flow_run_id
FROM run
"""

_BEFORE = f"""{_COLUMNS}
WHERE state = 'completed' AND flow = (SELECT flow FROM run WHERE run_id = $run_id)
    AND started_at < (SELECT started_at FROM run WHERE run_id = $run_id)
ORDER BY started_at DESC, run_id LIMIT 1
"""

_LAST_THROUGHPUT = """
SELECT sum(s.num_items) FILTER (s.stage = 'embed') AS num_items,
    sum(s.num_bytes) FILTER (s.stage = 'embed') AS num_bytes,
    sum(s.wall_s) FILTER (s.stage = 'embed') AS embed_s,
    coalesce(sum(s.wall_s) FILTER (s.stage = 'load model'), 0) AS load_s
FROM run r JOIN span s ON s.run_id = r.run_id
WHERE r.state = 'completed' AND s.operator = ''
    AND ($model IS NULL OR r.model_version_id = $model)
GROUP BY r.run_id, r.started_at HAVING num_items > 0 AND embed_s > 0
ORDER BY r.started_at DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """Say what is known of a run as it starts."""

    run_id: str
    flow: str
    params: dict[str, Any]
    code_version: str
    model_version_id: int | None = None
    flow_run_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRecord:
    """Tell of one run, past or present."""

    run_id: str
    flow: str
    params: dict[str, Any]
    code_version: str
    model_version_id: int | None
    host: str
    pid: int
    started_at: datetime
    finished_at: datetime | None
    state: str
    """running, completed, failed or interrupted."""
    counts: dict[str, Any]
    message: str
    flow_run_id: str | None
    """Prefect's id for it; None where Prefect was not asked."""

    @property
    def wall_s(self) -> float | None:
        """Return how long somebody waited for it, as its report said; None while it runs.

        Of a run that died without a word, from its opening to where that was found out.
        """
        if self.finished_at is None:
            return None
        since_opening_s = (self.finished_at - self.started_at).total_seconds()
        return since_opening_s if self.reported_s is None else self.reported_s

    @property
    def reported_s(self) -> float | None:
        """Return the time that the run's report counts, queue and start-up included; None: none."""
        wall_s = self.counts.get("wall_s")
        return float(wall_s) if isinstance(wall_s, int | float) else None


@dataclass(frozen=True, slots=True)
class Throughput:
    """Say how fast a run embedded."""

    num_items: int
    num_bytes: int
    embed_s: float
    load_s: float
    """For the models, once, before the first file."""

    def seconds(self, num_items: int, num_bytes: int) -> float:
        """Return how long so much would take, by its bytes, without loading the models.

        Bytes and not files: a table of a gigabyte among pictures is no picture. Where the run
        counted no bytes, files have to do.
        """
        if num_bytes and self.num_bytes:
            return num_bytes / self.num_bytes * self.embed_s
        return num_items / self.num_items * self.embed_s


def start_run(con: duckdb.DuckDBPyConnection, start: RunStart) -> list[str]:
    """Add a running run; mark as interrupted those whose process on this host is gone.

    Returns the ids of the interrupted ones.
    """
    interrupted = _mark_interrupted(con)
    con.execute(
        "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, now(), NULL, 'running', '{}', '', ?)",
        [
            start.run_id,
            start.flow,
            json.dumps(start.params, default=str, sort_keys=True),
            start.code_version,
            start.model_version_id,
            socket.gethostname(),
            os.getpid(),
            start.flow_run_id,
        ],
    )
    return interrupted


def set_run_model(con: duckdb.DuckDBPyConnection, run_id: str, model_version_id: int) -> None:
    """Note the model version that the run works with."""
    con.execute("UPDATE run SET model_version_id = ? WHERE run_id = ?", [model_version_id, run_id])


def finish_run(
    con: duckdb.DuckDBPyConnection, run_id: str, state: str, counts: dict[str, Any], message: str
) -> None:
    """Close a run as completed, failed or interrupted."""
    con.execute(
        "UPDATE run SET state = ?, counts = ?, message = ?, finished_at = now() WHERE run_id = ?",
        [state, json.dumps(counts, default=str, sort_keys=True), message, run_id],
    )


def list_runs(con: duckdb.DuckDBPyConnection, limit: int) -> list[RunRecord]:
    """Return the latest runs, newest first."""
    rows = con.execute(f"{_COLUMNS} ORDER BY started_at DESC, run_id LIMIT ?", [limit]).fetchall()
    return [_from_row(row) for row in rows]


def run(con: duckdb.DuckDBPyConnection, run_id_or_prefix: str) -> RunRecord:
    """Return the one run whose id begins like this.

    Raises:
        CollectionError: there is none, or more than one.
    """
    rows = con.execute(
        f"{_COLUMNS} WHERE starts_with(run_id, ?) ORDER BY started_at DESC LIMIT 5",
        [run_id_or_prefix],
    ).fetchall()
    exact = [row for row in rows if row[0] == run_id_or_prefix]
    found = exact or rows
    if len(found) == 1:
        return _from_row(found[0])
    if not found:
        raise CollectionError(
            f"there is no run {run_id_or_prefix!r}: `crossmodal status` lists the latest"
        )
    ids = ", ".join(row[0] for row in found)
    raise CollectionError(f"{run_id_or_prefix!r} is more than one run ({ids}): give more of the id")


def run_before(con: duckdb.DuckDBPyConnection, run_id: str) -> RunRecord | None:
    """Return the latest completed run of the same flow that started before this one."""
    row = first_row(con, _BEFORE, {"run_id": run_id})
    return _from_row(row) if row else None


def spans(con: duckdb.DuckDBPyConnection, run_id: str) -> list[Span]:
    """Return the run's times, in the order in which they started."""
    rows = con.execute(
        "SELECT stage, operator, worker, started_s, wall_s, num_items, num_bytes "
        "FROM span WHERE run_id = ? ORDER BY started_s, stage, operator",
        [run_id],
    ).fetchall()
    return [
        Span(
            stage=stage,
            operator=operator,
            worker=worker,
            started_s=started_s,
            wall_s=wall_s,
            num_items=num_items,
            num_bytes=num_bytes,
        )
        for stage, operator, worker, started_s, wall_s, num_items, num_bytes in rows
    ]


def last_throughput(
    con: duckdb.DuckDBPyConnection, model_version_id: int | None
) -> Throughput | None:
    """Return how fast the latest completed run that embedded did so.

    Any version counts where ``model_version_id`` is None. Returns None before the first such run.
    """
    row = first_row(con, _LAST_THROUGHPUT, {"model": model_version_id})
    return Throughput(int(row[0]), int(row[1]), float(row[2]), float(row[3])) if row else None


def _mark_interrupted(con: duckdb.DuckDBPyConnection) -> list[str]:
    running = con.execute(
        "SELECT run_id, pid, epoch(started_at) FROM run WHERE state = 'running' AND host = ?",
        [socket.gethostname()],
    ).fetchall()
    gone = {run_id: pid for run_id, pid, since_s in running if not is_same_process(pid, since_s)}
    for run_id, pid in gone.items():
        message = f"process {pid} ended without finishing the run"
        finish_run(con, run_id, "interrupted", {}, message)
    return list(gone)


def _from_row(row: tuple[Any, ...]) -> RunRecord:
    return RunRecord(
        run_id=row[0],
        flow=row[1],
        params=json.loads(row[2]),
        code_version=row[3],
        model_version_id=row[4],
        host=row[5],
        pid=row[6],
        started_at=datetime.fromtimestamp(row[7], UTC),
        finished_at=datetime.fromtimestamp(row[8], UTC) if row[8] is not None else None,
        state=row[9],
        counts=json.loads(row[10]),
        message=row[11],
        flow_run_id=row[12],
    )
