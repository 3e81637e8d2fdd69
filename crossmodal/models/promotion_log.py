"""Log who made which line-up live, when and why; and know from it what was live before.

A rollback is logged as undoing a promotion, so that the next one goes a step further back. The log
is written in the transaction that changes the line-up: there is no change without its line.
"""

from __future__ import annotations

import getpass
import json
from dataclasses import dataclass

import duckdb

from crossmodal.ledger.sql import first_row
from crossmodal.records import Lineup

PROMOTE, ROLLBACK, TRIAL, TRIAL_END = "promote", "rollback", "trial", "trial ended"

_STANDING = """
SELECT id, before, after FROM promotion_log p
WHERE action = 'promote' AND NOT EXISTS (SELECT 1 FROM promotion_log u WHERE u.undoes = p.id)
ORDER BY id DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class LogLine:
    """Tell of one change of the live line-up."""

    id: int
    action: str
    before: dict[str, int]
    """Number of the model version by modality."""
    after: dict[str, int]
    who: str
    why: str
    at: str
    """ISO 8601, UTC."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Name the latest promotion that was not rolled back, and the line-ups around it."""

    id: int
    before: dict[str, int]
    after: dict[str, int]


def log(
    con: duckdb.DuckDBPyConnection,
    action: str,
    lineups: tuple[Lineup, Lineup],
    why: str,
    undoes: int | None = None,
) -> None:
    """Add a line: the line-up before and the one after, by whoever this process runs as."""
    before, after = (
        json.dumps({m: version.id for m, version in lineup.serving.items()}) for lineup in lineups
    )
    con.execute(
        "INSERT INTO promotion_log (action, before, after, undoes, who, why, logged_at) "
        "VALUES (?, ?, ?, ?, ?, ?, now())",
        [action, before, after, undoes, _who(), why],
    )


def standing(con: duckdb.DuckDBPyConnection) -> Standing | None:
    """Return the promotion that a rollback would undo; None where there is none."""
    row = first_row(con, _STANDING)
    return Standing(row[0], json.loads(row[1]), json.loads(row[2])) if row else None


def log_lines(con: duckdb.DuckDBPyConnection, limit: int = 20) -> list[LogLine]:
    """Return the latest changes, newest first."""
    rows = con.execute(
        "SELECT id, action, before, after, who, why, "
        "strftime(logged_at AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ') "
        "FROM promotion_log ORDER BY id DESC LIMIT ?",
        [limit],
    ).fetchall()
    return [LogLine(r[0], r[1], json.loads(r[2]), json.loads(r[3]), *r[4:]) for r in rows]


def _who() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "unknown"
