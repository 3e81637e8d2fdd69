"""Join a user's own columns to the sources that they speak of, and keep what they say.

``own_column`` has a row for each thing that a file says of a source, ``column_file`` one for each
file that was read. A path in a file is a source's whole uri; or it is relative to the file's folder
or to what was indexed; or it is the end of one uri and of no other. Invariant: rows are those of
the file as it was read last, and a row outlives its source until the next index run at most: an
undo leaves it, for the undone run may come back.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import duckdb
import pyarrow as pa

from crossmodal.ledger.sql import first_row, one_number, registered
from crossmodal.ledger.words.captions import caption_words, drop_gone_captions, put_captions

_NUM_EXAMPLES = 5

# Nearer ways of meaning a source come first; of the nearest there must be one.
_MEANT = """
CREATE OR REPLACE TEMP TABLE meant AS
WITH way AS (
    SELECT k.row, s.uri, 0 AS way FROM keyed k JOIN source s ON s.uri = k.key
    UNION ALL
    SELECT k.row, s.uri, 1 FROM keyed k JOIN source s ON s.uri = $folder || '/' || k.key
    WHERE NOT k.is_absolute
    UNION ALL
    SELECT k.row, s.uri, 2 FROM keyed k
    CROSS JOIN (SELECT DISTINCT rtrim(root, '/') AS root FROM source) r
    JOIN source s ON s.uri = r.root || '/' || k.key WHERE NOT k.is_absolute
    UNION ALL
    SELECT k.row, s.uri, 3 FROM keyed k
    JOIN source s ON split_part(s.uri, '/', -1) = split_part(k.key, '/', -1)
    WHERE NOT k.is_absolute AND ends_with(s.uri, '/' || k.key)),
nearest AS (
    SELECT DISTINCT row, uri FROM way QUALIFY way = min(way) OVER (PARTITION BY row))
SELECT row, any_value(uri) AS uri, count(*) AS num FROM nearest GROUP BY row
"""
_SAID = """
CREATE OR REPLACE TEMP TABLE said AS
SELECT DISTINCT m.uri, v.name, v.value FROM told v JOIN meant m ON m.row = v.row WHERE m.num = 1
"""
_NOT_SAID_NOW = """
FROM own_column o WHERE o.file = $file AND NOT EXISTS (
    SELECT 1 FROM said s WHERE s.uri = o.uri AND s.name = o.name AND s.value = o.value)
"""
_NOT_SAID_BEFORE = """
FROM said s WHERE NOT EXISTS (
    SELECT 1 FROM own_column o
    WHERE o.file = $file AND o.uri = s.uri AND o.name = s.name AND o.value = s.value)
"""
_GONE = "WHERE uri NOT IN (SELECT uri FROM source)"
_SOURCES = """
SELECT count(*) || '|' || coalesce(bit_xor(hash(uri)), 0) FROM source
WHERE starts_with(uri, $within)
"""


@dataclass(frozen=True)
class OwnColumns:
    """Hold what one file says, by its rows."""

    file: str
    """Absolute path."""
    stat: str
    """Size and time of change: the same as long as the file is."""
    keys: pa.Table
    """row, key (a normalised path or URL), is_absolute."""
    values: pa.Table
    """row, name (folded), value; empty cells are left out."""
    notes: tuple[str, ...] = ()
    within: str = ""
    """What the uris that it may mean begin with; other sources do not matter to it."""

    @property
    def num_rows(self) -> int:
        """Return the rows that name a path."""
        return int(self.keys.num_rows)

    @cached_property
    def caption_words(self) -> pa.Table:
        """Return the words of the captions; counted once, best before a transaction is open."""
        return caption_words(self.keys, self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinedColumns:
    """Say what became of the rows of one file."""

    file: str
    num_rows: int
    num_joined: int
    """Rows whose path means one source."""
    num_unknown: int
    """Rows whose path means no source of the collection."""
    num_ambiguous: int
    """Rows whose path means several sources."""
    examples: tuple[str, ...] = ()
    """Some paths of rows that were not joined."""
    notes: tuple[str, ...] = ()

    def told(self) -> list[str]:
        """Return what a person should know."""
        said = [f"{self.file}: {note}" for note in self.notes]
        such = f", such as {', '.join(self.examples)}" if self.examples else ""
        if self.num_unknown or self.num_ambiguous:
            said.append(
                f"{self.file}: of {self.num_rows:,} rows {self.num_joined:,} were joined; "
                f"{self.num_unknown:,} name no source of the collection, {self.num_ambiguous:,} "
                f"name several, and more of the path would tell them apart{such}"
            )
        return said


def joined_before(
    con: duckdb.DuckDBPyConnection, file: str, stat: str, within: str = ""
) -> JoinedColumns | None:
    """Return what became of a file that is as it was read last, and so are the sources."""
    sql = "SELECT counts FROM column_file WHERE file = $file AND stat = $stat"
    sql += f" AND sources = ({_SOURCES})"
    row = first_row(con, sql, {"file": file, "stat": stat, "within": within})
    if row is None:
        return None
    said: dict[str, Any] = json.loads(row[0])
    return JoinedColumns(**said | {name: tuple(said[name]) for name in ("examples", "notes")})


def put_own_columns(con: duckdb.DuckDBPyConnection, columns: OwnColumns) -> JoinedColumns:
    """Write what a file says of sources in place of what it said before; write only differences.

    The words of captions among it are written too.
    """
    folder = columns.file.rpartition("/")[0]
    with registered(con, keyed=columns.keys, told=columns.values):
        con.execute(_MEANT, {"folder": folder})
        con.execute(_SAID)
        joined = _counted(con, columns)
    named = {"file": columns.file}
    if one_number(con, f"SELECT count(*) {_NOT_SAID_NOW}", named):
        con.execute(
            f"DELETE FROM own_column WHERE rowid IN (SELECT o.rowid {_NOT_SAID_NOW})", named
        )
    con.execute(
        f"INSERT INTO own_column SELECT $file, s.uri, s.name, s.value {_NOT_SAID_BEFORE} "
        "ORDER BY s.name, s.uri",
        named,
    )
    put_captions(con, columns.file, columns.caption_words)
    con.execute("DROP TABLE meant; DROP TABLE said")
    con.execute(
        f"INSERT OR REPLACE INTO column_file VALUES ($file, $stat, ({_SOURCES}), $counts, now())",
        named
        | {
            "stat": columns.stat,
            "counts": json.dumps(asdict(joined)),
            "within": columns.within,
        },
    )
    return joined


def has_gone(con: duckdb.DuckDBPyConnection) -> bool:
    """Say whether something is said of sources that are gone."""
    if not one_number(con, "SELECT count(*) FROM own_column"):
        return False
    return bool(one_number(con, f"SELECT count(*) FROM own_column {_GONE}"))


def drop_gone(con: duckdb.DuckDBPyConnection) -> None:
    """Delete what is said of sources that are gone."""
    con.execute(f"DELETE FROM own_column {_GONE}")
    drop_gone_captions(con)


def _counted(con: duckdb.DuckDBPyConnection, columns: OwnColumns) -> JoinedColumns:
    sql = "SELECT count(*) FILTER (num = 1), count(*) FILTER (num > 1) FROM meant"
    num_joined, num_ambiguous = first_row(con, sql) or (0, 0)
    examples = con.execute(
        "SELECT DISTINCT k.key FROM keyed k LEFT JOIN meant m ON m.row = k.row "
        "WHERE m.num IS DISTINCT FROM 1 ORDER BY k.key LIMIT ?",
        [_NUM_EXAMPLES],
    ).fetchall()
    return JoinedColumns(
        file=columns.file,
        num_rows=columns.num_rows,
        num_joined=num_joined,
        num_unknown=columns.num_rows - num_joined - num_ambiguous,
        num_ambiguous=num_ambiguous,
        examples=tuple(key for (key,) in examples),
        notes=columns.notes,
    )
