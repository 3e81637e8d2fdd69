"""Take sources out of a collection for good: their rows, and what would bring them back.

Owns which sources a path or URL names; refuses to touch the files. Invariant: what another source
still holds stays, and afterwards nothing that only the forgotten ones held is anywhere in the
ledger, also not where runs keep what they wrote over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from crossmodal.ledger.sql import first_row
from crossmodal.ledger.write import runs, shard_writer, undo_log
from crossmodal.records import PLAN_SCHEMA

_NAMED = """
uri = $place OR root = $place OR starts_with(uri, $place || '/')
"""
_HELD = f"""
SELECT count(*), coalesce(sum(size_bytes), 0), count(DISTINCT content_hash) FILTER (
    content_hash NOT IN (SELECT content_hash FROM source
        WHERE content_hash IS NOT NULL AND NOT ({_NAMED})))
FROM source WHERE {_NAMED}
"""
_CHUNKS = f"""
SELECT count(*) FROM chunk WHERE content_hash IN (SELECT content_hash FROM source WHERE {_NAMED})
AND content_hash NOT IN (
    SELECT content_hash FROM source WHERE content_hash IS NOT NULL AND NOT ({_NAMED}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """Say what goes, or went."""

    place: str
    num_sources: int
    num_bytes: int
    """Of the files; they stay where they are."""
    num_contents: int
    """Different contents that no other source has."""
    num_chunks: int


def would_forget(con: duckdb.DuckDBPyConnection, place: str) -> Forgotten:
    """Return what would go with a source, or with all below a folder, root or URL."""
    sources, size, contents = first_row(con, _HELD, {"place": place}) or (0, 0, 0)
    (chunks,) = first_row(con, _CHUNKS, {"place": place}) or (0,)
    return Forgotten(
        place=place,
        num_sources=sources,
        num_bytes=int(size),
        num_contents=contents,
        num_chunks=chunks,
    )


def forget(con: duckdb.DuckDBPyConnection, start: runs.RunStart, place: str) -> Forgotten:
    """Take them out as the run ``start``; return what went."""
    gone = would_forget(con, place)
    named = con.execute(
        f"SELECT uri, root, content_hash FROM source WHERE {_NAMED}", {"place": place}
    ).fetchall()
    uris = [uri for uri, _, _ in named]
    runs.start_run(con, start)
    shard_writer.apply_plan(con, _plan(named), start.run_id, None)
    left = con.execute("SELECT DISTINCT content_hash FROM source").fetchall()
    contents = {content for _, _, content in named if content} - {content for (content,) in left}
    undo_log.purge_undo(con, uris, sorted(contents))
    con.execute(
        "DELETE FROM policy_vector WHERE role = 'decided' AND split_part(content_hash, ':', 1) "
        "IN (SELECT unnest($contents::VARCHAR[]))",
        {"contents": sorted(contents)},
    )
    con.execute(
        "DELETE FROM quarantine WHERE uri = $place OR starts_with(uri, $place || '/')",
        {"place": place},
    )
    counts = {"num_deleted": gone.num_sources, "num_chunks": gone.num_chunks}
    runs.finish_run(con, start.run_id, "completed", counts, "")
    return gone


def _plan(named: list[tuple[str, str, str | None]]) -> pa.Table:
    rows = list(_rows(named))
    return pa.Table.from_pylist(rows, schema=PLAN_SCHEMA)


def _rows(named: list[tuple[str, str, str | None]]) -> Iterator[dict[str, object]]:
    for uri, root, _ in named:
        yield {
            "uri": uri,
            "root": root,
            "size_bytes": 0,
            "mtime_ns": time.time_ns(),
            "action": "deleted",
            "reason": "forgotten",
            "embed": False,
        }
