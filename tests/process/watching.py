"""Look at a collection from outside while other processes work on it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import duckdb

from crossmodal.ledger.collection import Collection
from tests.waiting import PATIENCE_S, eventually

_DOUBLED = """
SELECT count(*) FROM (
    SELECT 1 FROM chunk GROUP BY content_hash, chunker, ordinal HAVING count(*) > 1)
"""
_WITHOUT_CHUNK = """
SELECT count(*) FROM vector_1_image WHERE chunk_id NOT IN (SELECT chunk_id FROM chunk)
"""
_WITHOUT_VECTOR = """
SELECT count(*) FROM chunk WHERE chunk_id NOT IN (SELECT chunk_id FROM vector_1_image)
"""
_HAS_VECTORS = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'vector_1_image'"


def ledger_rows(collection: Path) -> tuple[int, int, int]:
    """Return the number of sources, of chunks and of vectors, after checking their keys.

    It opens the file as any program may, so nobody else may be writing.
    """
    if not collection.exists():
        return (0, 0, 0)
    with duckdb.connect(str(collection), read_only=True) as con:

        def number(sql: str) -> int:
            return con.execute(sql).fetchall()[0][0]

        if not number(_HAS_VECTORS):
            return (0, 0, 0)
        assert number(_DOUBLED) == 0
        assert number(_WITHOUT_CHUNK) == 0
        assert number(_WITHOUT_VECTOR) == 0
        tables = ("source", "chunk", "vector_1_image")
        return tuple(number(f"SELECT count(*) FROM {table}") for table in tables)


def num_vectors(collection: Path) -> int:
    """Return the number of vectors while others may be writing."""
    if not collection.exists():
        return 0
    with Collection(collection, lock_timeout_s=PATIENCE_S).read() as con:
        return _vectors_seen(con)


def _vectors_seen(con: duckdb.DuckDBPyConnection) -> int:
    if con.execute(_HAS_VECTORS).fetchall() == [(0,)]:
        return 0
    return con.execute("SELECT count(*) FROM vector_1_image").fetchall()[0][0]


@contextmanager
def held_up(collection: Path, at_least: int) -> Iterator[None]:
    """Hold up whoever writes once so many vectors are committed: no writer passes a reader."""
    with ExitStack() as reading:

        def committed() -> bool:
            if not collection.exists():
                return False
            con = reading.enter_context(Collection(collection, lock_timeout_s=PATIENCE_S).read())
            if _vectors_seen(con) >= at_least:
                return True
            reading.close()
            return False

        eventually(committed, PATIENCE_S, f"{at_least} vectors in {collection.name}", pause_s=0.02)
        yield


def wait_for_vectors(process: subprocess.Popen[str], collection: Path, at_least: int) -> None:
    """Wait until the process has committed so many vectors."""

    def committed() -> bool:
        # Look before asking after the process: it may have ended with what is waited for.
        if num_vectors(collection) >= at_least:
            return True
        assert process.poll() is None, process.communicate()
        return False

    eventually(committed, PATIENCE_S, f"{at_least} vectors in {collection.name}", pause_s=0.02)
