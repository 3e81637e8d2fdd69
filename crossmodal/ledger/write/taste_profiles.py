"""Keep likes and dislikes under a name, as they were given: ids, paths, URLs or texts.

Owns the table; what an example is, and whether it is still there, is found out when it is used.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import duckdb

from crossmodal.ledger.sql import first_row


@dataclass(frozen=True, slots=True)
class TasteProfile:
    """Hold one stored taste."""

    name: str
    likes: tuple[str, ...]
    """In the order of time."""
    dislikes: tuple[str, ...]


def find_profile(con: duckdb.DuckDBPyConnection, name: str) -> TasteProfile | None:
    """Return the taste of this name; None where there is none."""
    row = first_row(con, "SELECT likes, dislikes FROM taste_profile WHERE name = ?", [name])
    if row is None:
        return None
    return TasteProfile(name, tuple(json.loads(row[0])), tuple(json.loads(row[1])))


def profile_names(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the names of all stored tastes."""
    rows = con.execute("SELECT name FROM taste_profile ORDER BY name").fetchall()
    return [str(row[0]) for row in rows]


def write_profile(con: duckdb.DuckDBPyConnection, profile: TasteProfile) -> None:
    """Keep a taste in place of the one of its name."""
    con.execute(
        "INSERT INTO taste_profile VALUES (?, ?, ?, now()) ON CONFLICT (name) DO UPDATE SET "
        "likes = excluded.likes, dislikes = excluded.dislikes, changed_at = excluded.changed_at",
        [profile.name, json.dumps(profile.likes), json.dumps(profile.dislikes)],
    )
