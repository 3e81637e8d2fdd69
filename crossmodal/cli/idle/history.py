"""Add a run that is over to the history of Prefect's temporary server, without starting one.

Prefect's API takes no past time for a run's state, and a server costs seconds: so the rows go into
its SQLite database, where its temporary servers, `prefect server start` and `crossmodal serve` read
them. Owns when that may be: nobody has told Prefect where to keep its history, the tables are those
of the release that this file knows, a run of the same flow is there to be like, and no automation
waits for events of such runs, of which there are none. In doubt there is no history to add to.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crossmodal.cli.idle.automations import may_wait_for_runs
from crossmodal.cli.temporary_server import is_told, prefect_home, settings_texts

REVISION = "a3b9c7d2e5f1"
"""Of the tables of Prefect 3.8.8; with others the history is left to Prefect."""
_PATIENCE_S = 5.0
# Wherever they stand: read as Prefect reads them, settings would cost its import.
_MAY_MOVE_IT = re.compile(r"database|\bhome\b|prefect_home")

_LIKE = """
SELECT r.id FROM flow_run r JOIN flow f ON f.id = r.flow_id
WHERE f.name = ? AND r.state_type = 'COMPLETED' AND r.deployment_id IS NULL
    AND (SELECT group_concat(version_num) FROM alembic_version) = ?
ORDER BY r.start_time DESC LIMIT 1
"""
_ADD_RUN = """
INSERT INTO flow_run (id, name, parameters, tags, run_count, expected_start_time, start_time,
    end_time, total_run_time, state_id, state_type, state_name, state_timestamp, flow_id,
    flow_version, empirical_policy, labels)
SELECT :id, :name, :parameters, :tags, 1, :started, :started, :ended, :took, :state_id, :type,
    :state, :ended, flow_id, flow_version, empirical_policy, labels
FROM flow_run WHERE id = :like
"""
_ADD_STATE = """
INSERT INTO flow_run_state (id, flow_run_id, type, name, timestamp, message, state_details)
SELECT :state_id, :id, :type, :state, :ended, :message,
    json_set(state_details, '$.flow_run_id', :id, '$.transition_id', NULL)
FROM flow_run_state WHERE id = (SELECT state_id FROM flow_run WHERE id = :like)
"""
_ADD_ARTIFACT = """
INSERT INTO artifact (id, key, type, data, description, flow_run_id)
VALUES (:artifact_id, :key, 'markdown', :markdown, :description, :id)
"""
_SHOW_ARTIFACT = """
INSERT INTO artifact_collection (key, latest_id, type, data, description, flow_run_id)
VALUES (:key, :artifact_id, 'markdown', :markdown, :description, :id)
ON CONFLICT (key) DO UPDATE SET latest_id = excluded.latest_id, data = excluded.data,
    flow_run_id = excluded.flow_run_id, task_run_id = NULL, updated = :now
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRun:
    """Hold what Prefect keeps of a run that is over."""

    id: str
    name: str
    parameters: dict[str, Any]
    tags: list[str]
    started_s: float
    ended_s: float = 0.0
    is_completed: bool = True
    message: str
    key: str
    """Of the artifact that says what the run did."""
    markdown: str = ""
    """What it says; empty for no artifact."""


@dataclass(frozen=True, slots=True)
class History:
    """Know the database, and the run that new ones are like."""

    path: Path
    like: str

    def add(self, run: PastRun) -> None:
        """Add a run: all of it or nothing.

        Raises:
            sqlite3.Error: the database cannot be written, or others hold it for too long.
        """
        values = _values(run) | {"like": self.like}
        with _opened(self.path) as con, con:
            con.execute("BEGIN IMMEDIATE")
            if not con.execute(_ADD_RUN, values).rowcount:
                raise sqlite3.IntegrityError(f"flow run {self.like} is gone")
            con.execute(_ADD_STATE, values)
            if run.markdown:
                con.execute(_ADD_ARTIFACT, values)
                con.execute(_SHOW_ARTIFACT, values)


def history(flow: str) -> History | None:
    """Return the history to which runs of a flow may be added here; None: leave it to Prefect."""
    path = prefect_home() / "prefect.db"
    if not path.is_file() or is_told() or _is_elsewhere():
        return None
    try:
        with _opened(path) as con:
            con.execute("BEGIN IMMEDIATE")
            like = con.execute(_LIKE, [flow, REVISION]).fetchone()
            triggers = con.execute("SELECT trigger FROM automation WHERE enabled").fetchall()
            con.rollback()
        is_awaited = any(may_wait_for_runs(json.loads(trigger)) for (trigger,) in triggers)
    except (sqlite3.Error, ValueError):
        return None
    return History(path, like[0]) if like and not is_awaited else None


def _is_elsewhere() -> bool:
    """Say whether settings may have the database elsewhere than in the usual folder."""
    if any(name.startswith("PREFECT_") and "DATABASE" in name for name in os.environ):
        return True
    return any("prefect" in text and _MAY_MOVE_IT.search(text) for text in settings_texts())


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    address = f"{path.absolute().as_uri()}?mode=rw"
    with closing(
        sqlite3.connect(address, timeout=_PATIENCE_S, uri=True, isolation_level=None)
    ) as con:
        yield con


def _values(run: PastRun) -> dict[str, Any]:
    return {
        "id": run.id,
        "name": run.name,
        "parameters": json.dumps(run.parameters),
        "tags": json.dumps(run.tags),
        "started": _time(run.started_s),
        "ended": _time(run.ended_s),
        "took": _time(run.ended_s - run.started_s),
        "state_id": str(uuid.uuid4()),
        "type": "COMPLETED" if run.is_completed else "FAILED",
        "state": "Completed" if run.is_completed else "Failed",
        "message": run.message,
        "artifact_id": str(uuid.uuid4()),
        "key": run.key,
        "markdown": json.dumps(run.markdown),
        "description": "What the run did",
        "now": _time(run.ended_s),
    }


def _time(seconds: float) -> str:
    """Return a time, or a duration since 1970, as Prefect has them in SQLite."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S.%f}"
