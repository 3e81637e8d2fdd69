"""Keep searches under a name, and know which contents each of them has been compared with.

A content is numbered when a search or a run first sees it; a search remembers up to which number
it has told of. So a file that is renamed, copied, cut anew or embedded by another model is not new,
and one that comes back after it was deleted is not new either. Owns the tables; refuses to search.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from crossmodal.ledger.sql import one_number

_COLUMNS = "name, text, conditions, modalities, min_strength, told_seq, num_told, saved_at, told_at"
_LATEST = "SELECT coalesce(max(seq), 0) FROM known_content"
_UNKNOWN = """
FROM source WHERE content_hash IS NOT NULL
AND content_hash NOT IN (SELECT content_hash FROM known_content)
"""

NEW = "content_hash IN (SELECT content_hash FROM known_content WHERE seq > $told_seq)"
"""On the columns of ``source``: whether a search has not been compared with it yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSearch:
    """Hold a search that alerts."""

    name: str
    text: str
    conditions: list[str]
    modalities: list[str]
    """Empty for all."""
    min_strength: str
    """likely or strong: what a new item must be to alert."""
    told_seq: int = 0
    """Contents up to this number have been compared with it."""
    num_told: int = 0
    """Items that it has alerted of."""
    saved_at: datetime | None = None
    told_at: datetime | None = None
    """When it last alerted; None where it never has."""


def saved_searches(con: duckdb.DuckDBPyConnection) -> list[SavedSearch]:
    """Return all of them in the order of their names."""
    rows = con.execute(f"SELECT {_COLUMNS} FROM saved_search ORDER BY name").fetchall()
    names = _COLUMNS.split(", ")
    return [SavedSearch(**dict(zip(names, row, strict=True))) for row in rows]


def write_search(con: duckdb.DuckDBPyConnection, search: SavedSearch) -> None:
    """Keep a search in place of the one of its name; what is indexed by now is not new to it."""
    note_contents(con)
    con.execute(
        f"INSERT OR REPLACE INTO saved_search ({_COLUMNS}) "
        f"VALUES (?, ?, ?, ?, ?, ({_LATEST}), 0, now(), NULL)",
        [search.name, search.text, search.conditions, search.modalities, search.min_strength],
    )


def drop_search(con: duckdb.DuckDBPyConnection, name: str) -> bool:
    """Forget a search; return whether there was one of this name."""
    return bool(
        con.execute("DELETE FROM saved_search WHERE name = ? RETURNING 1", [name]).fetchall()
    )


def latest(con: duckdb.DuckDBPyConnection) -> int:
    """Return the number of the newest content that was noted; 0 without any."""
    return one_number(con, _LATEST)


def has_unknown(con: duckdb.DuckDBPyConnection) -> bool:
    """Return whether contents came that no search has been compared with."""
    return bool(con.execute(f"SELECT 1 {_UNKNOWN} LIMIT 1").fetchall())


def has_due(con: duckdb.DuckDBPyConnection) -> bool:
    """Return whether some search has not been compared with all that is indexed by now."""
    searches = saved_searches(con)
    if not searches:
        return False
    return has_unknown(con) or min(each.told_seq for each in searches) < latest(con)


def note_contents(con: duckdb.DuckDBPyConnection) -> int:
    """Number the contents that came; return the highest number."""
    con.execute(f"INSERT INTO known_content (content_hash) SELECT DISTINCT content_hash {_UNKNOWN}")
    return latest(con)


def note_told(con: duckdb.DuckDBPyConnection, name: str, seq: int, num_items: int) -> None:
    """Remember that a search has been compared with contents up to a number, and told of items."""
    con.execute(
        "UPDATE saved_search SET told_seq = $seq, num_told = num_told + $num, "
        "told_at = CASE WHEN $num > 0 THEN now() ELSE told_at END WHERE name = $name",
        {"seq": seq, "num": num_items, "name": name},
    )
