"""Keep what a run writes over, in the transaction that writes it, so that the run can be undone.

Owns the tables ``undo_*``: rows as they were before (``existed``), and keys of rows that were not
there. What an ordinary run adds carries its run id and is not noted again. Invariant: while the log
is kept, every change to sources, chunks, vectors and quarantine stands in it; where it is switched
off, nothing older stays in it either, since later changes would be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb

from crossmodal.errors import ParametersError
from crossmodal.ledger.sql import first_row, one_number

DEFAULT_KEEP = "5"
TABLES = ("undo_source", "undo_chunk", "undo_vector", "undo_quarantine", "undo_calibration")

_SETTING = "keep_undo"
_UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}

_SOURCES = """
INSERT INTO undo_source BY NAME
WITH touched AS (
    SELECT uri, max(content) AS content FROM (
        SELECT uri, CASE WHEN action <> 'deleted' THEN content_hash END AS content FROM planned
        UNION ALL SELECT previous_uri, NULL FROM planned WHERE previous_uri IS NOT NULL)
    GROUP BY uri)
SELECT $run_id AS undo_run, $seq AS undo_seq, s.uri IS NOT NULL AS existed,
    t.content AS content_after, s.* EXCLUDE (uri), t.uri
FROM touched t LEFT JOIN source s ON s.uri = t.uri
"""
_CHUNKS = """
INSERT INTO undo_chunk BY NAME
SELECT $run_id AS undo_run, $seq AS undo_seq, true AS existed, * FROM chunk WHERE {where}
"""
_VECTORS = """
INSERT INTO undo_vector BY NAME
SELECT $run_id AS undo_run, $seq AS undo_seq, true AS existed, $list AS list, chunk_id, run_id,
    v::FLOAT[] AS v, hub
FROM {table} WHERE {where}
"""
_QUARANTINE_GONE = """
INSERT INTO undo_quarantine BY NAME
SELECT $run_id AS undo_run, $seq AS undo_seq, true AS existed, *
FROM (SELECT * FROM quarantine_before EXCEPT SELECT * FROM quarantine)
"""
_QUARANTINE_NEW = """
INSERT INTO undo_quarantine BY NAME
SELECT $run_id AS undo_run, $seq AS undo_seq, false AS existed, uri, part
FROM quarantine ANTI JOIN quarantine_before USING (uri, part)
"""
_CALIBRATIONS = """
INSERT INTO undo_calibration BY NAME
SELECT $run_id AS undo_run, p.revision, c.*
FROM calibration c JOIN probe p USING (model_version_id)
"""

_SIZE = """
SELECT coalesce((SELECT sum(4 * coalesce(len(v), 0) + 40) FROM undo_vector WHERE undo_run = $id), 0)
    + coalesce((SELECT sum(coalesce(strlen(text), 0) + 200) FROM undo_chunk WHERE undo_run = $id),
        0)
    + (SELECT count(*) * 200 FROM undo_source WHERE undo_run = $id)
    + (SELECT count(*) * 200 FROM undo_quarantine WHERE undo_run = $id)
"""
_TOO_MANY = "SELECT run_id FROM undo_run ORDER BY seq DESC OFFSET $limit"
_TOO_LARGE = """
SELECT run_id FROM (
    SELECT run_id, sum(num_bytes) OVER (ORDER BY seq DESC) AS total FROM undo_run)
WHERE total > $limit
"""


@dataclass(frozen=True, slots=True)
class Undo:
    """Note, within one transaction of a run, what it is about to write over."""

    con: duckdb.DuckDBPyConnection
    run_id: str
    seq: int
    """Of the transaction among all that were noted; 0 where nothing is kept."""

    def sources(self) -> None:
        """Note the sources of the table ``planned``, which is registered, and of their old uris."""
        if self.seq:
            self.con.execute(_SOURCES, self._ids)

    def chunks(self, where: str) -> None:
        """Note the chunks that a condition holds for."""
        if self.seq:
            self.con.execute(_CHUNKS.format(where=where), self._ids)

    def vectors(self, table: str, where: str) -> None:
        """Note the vectors of a list, by its table, that a condition holds for."""
        if self.seq:
            self.con.execute(_VECTORS.format(table=table, where=where), self._ids | {"list": table})

    def begin(self) -> None:
        """Look at what is told apart by a look before and after: the quarantine."""
        if not self.seq:
            return
        self.con.execute("CREATE OR REPLACE TEMP TABLE quarantine_before AS FROM quarantine")

    def end(self) -> None:
        """Note what has changed in the quarantine since ``begin``."""
        if not self.seq:
            return
        if one_number(self.con, "SELECT count(*) FROM quarantine_before"):
            self.con.execute(_QUARANTINE_GONE, self._ids)
        if one_number(self.con, "SELECT count(*) FROM quarantine"):
            self.con.execute(_QUARANTINE_NEW, self._ids)
        self.con.execute("DROP TABLE quarantine_before")

    @property
    def _ids(self) -> dict[str, object]:
        return {"run_id": self.run_id, "seq": self.seq}


@contextmanager
def noted(con: duckdb.DuckDBPyConnection, run_id: str, undoes: str | None = None) -> Iterator[Undo]:
    """Yield what notes the changes that are made inside, as those of a run.

    The first transaction of a run notes the tables by which scores compare too.
    """
    undo = Undo(con, run_id, _next_seq(con, run_id, undoes))
    undo.begin()
    yield undo
    undo.end()


def keep_undo(con: duckdb.DuckDBPyConnection) -> str:
    """Return how much is kept: a number of runs, or a size such as ``500MB``."""
    row = first_row(con, "SELECT value FROM collection_setting WHERE key = ?", [_SETTING])
    return str(row[0]) if row else DEFAULT_KEEP


def set_keep_undo(con: duckdb.DuckDBPyConnection, keep: str) -> None:
    """Keep this much from now on.

    Raises:
        ParametersError: it is neither a number of runs nor a size.
    """
    limit_of(keep)
    con.execute(
        "INSERT INTO collection_setting VALUES (?, ?) "
        "ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        [_SETTING, keep],
    )


def limit_of(keep: str) -> tuple[str, int]:
    """Return ``runs`` or ``bytes``, and how many of them are kept.

    Raises:
        ParametersError: it is neither a number of runs nor a size.
    """
    found = re.fullmatch(r"(\d{1,9})\s*(kb|mb|gb|tb)?", keep.strip().lower())
    if found is None:
        raise ParametersError(
            f"keep-undo is {keep!r}: give a number of runs (0 keeps nothing) or a size, as in 500MB"
        )
    number, unit = int(found[1]), found[2]
    return ("bytes", number * _UNITS[unit]) if unit else ("runs", number)


def settle(con: duckdb.DuckDBPyConnection, run_id: str) -> None:
    """Weigh what a run left here as it ends, and drop the oldest runs beyond what is kept."""
    if not first_row(con, "SELECT 1 FROM undo_run WHERE run_id = ?", [run_id]):
        return
    num_bytes = one_number(con, _SIZE, {"id": run_id})
    con.execute("UPDATE undo_run SET num_bytes = ? WHERE run_id = ?", [num_bytes, run_id])
    unit, limit = limit_of(keep_undo(con))
    sql = _TOO_MANY if unit == "runs" else _TOO_LARGE
    _drop(con, [str(row[0]) for row in con.execute(sql, {"limit": limit}).fetchall()])


def purge_undo(con: duckdb.DuckDBPyConnection, uris: list[str], content_hashes: list[str]) -> None:
    """Forget what is kept of these sources and contents, whichever run left it.

    A run whose part this was can still be undone; what was purged does not come back.
    """
    named = {"uris": uris, "contents": content_hashes}
    gone = "content_hash IN (SELECT unnest($contents::VARCHAR[]))"
    chunks = "SELECT chunk_id FROM undo_chunk WHERE {0} UNION SELECT chunk_id FROM chunk WHERE {0}"
    con.execute(
        f"DELETE FROM undo_vector WHERE chunk_id IN ({chunks.format(gone)})",
        {"contents": content_hashes},
    )
    con.execute(f"DELETE FROM undo_chunk WHERE {gone}", {"contents": content_hashes})
    for table in ("undo_source", "undo_quarantine"):
        con.execute(
            f"DELETE FROM {table} WHERE uri IN (SELECT unnest($uris::VARCHAR[])) OR {gone}", named
        )


def drop_list(con: duckdb.DuckDBPyConnection, table: str) -> None:
    """Forget what is kept of a list that is dropped."""
    con.execute("DELETE FROM undo_vector WHERE list = ?", [table])


def _next_seq(con: duckdb.DuckDBPyConnection, run_id: str, undoes: str | None) -> int:
    if limit_of(keep_undo(con)) == ("runs", 0):
        rows = con.execute("SELECT run_id FROM undo_run").fetchall()
        _drop(con, [str(row[0]) for row in rows])
        return 0
    seq = one_number(con, "SELECT nextval('undo_seq')")
    if not first_row(con, "SELECT 1 FROM undo_run WHERE run_id = ?", [run_id]):
        con.execute("INSERT INTO undo_run VALUES (?, ?, ?, NULL, NULL)", [run_id, seq, undoes])
        con.execute(_CALIBRATIONS, {"run_id": run_id})
    return seq


def _drop(con: duckdb.DuckDBPyConnection, run_ids: list[str]) -> None:
    if not run_ids:
        return
    for table in TABLES:
        con.execute(f"DELETE FROM {table} WHERE undo_run IN (SELECT unnest(?))", [run_ids])
    con.execute("DELETE FROM undo_run WHERE run_id IN (SELECT unnest(?))", [run_ids])
