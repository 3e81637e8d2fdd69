"""Kill index runs with SIGKILL at random moments; the ledger must always be right afterwards."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.pictures import draw_pictures
from tests.shell import Shell

pytestmark = pytest.mark.process

NUM_PICTURES = 240
NUM_KILLS = 20
SHARD_SIZE = 8


_DOUBLED = """
SELECT count(*) FROM (
    SELECT 1 FROM chunk GROUP BY content_hash, chunker, ordinal HAVING count(*) > 1)
"""
_WITHOUT_CHUNK = "SELECT count(*) FROM vector_1_image WHERE chunk_id NOT IN (SELECT chunk_id FROM chunk)"
_WITHOUT_VECTOR = "SELECT count(*) FROM chunk WHERE chunk_id NOT IN (SELECT chunk_id FROM vector_1_image)"


def ledger_rows(collection: Path) -> tuple[int, int, int]:
    """Return the number of sources, of chunks and of vectors, after checking their keys."""
    if not collection.exists():
        return (0, 0, 0)
    with duckdb.connect(str(collection), read_only=True) as con:

        def number(sql: str) -> int:
            return con.execute(sql).fetchall()[0][0]

        if not number("SELECT count(*) FROM duckdb_tables() WHERE table_name = 'vector_1_image'"):
            return (0, 0, 0)
        assert number(_DOUBLED) == 0
        assert number(_WITHOUT_CHUNK) == 0
        assert number(_WITHOUT_VECTOR) == 0
        return tuple(number(f"SELECT count(*) FROM {t}") for t in ("source", "chunk", "vector_1_image"))


def test_killed_index_run_loses_nothing_committed_and_the_rerun_does_the_rest(
    shell: Callable[..., Shell], tiny_clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    draw_pictures(folder, NUM_PICTURES)
    index = ("index", folder, "--model", tiny_clip, "--shard-size", SHARD_SIZE)
    timing = shell("timing")
    started = time.monotonic()
    timing.run(*index)
    full_s = time.monotonic() - started

    killed = shell("killed")
    rng = random.Random(20)
    rows_after_kill = []
    num_vectors = 0
    for _ in range(NUM_KILLS):
        process = killed.start(*index)
        time.sleep(rng.uniform(0.3, 1.0) * full_s)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        rows = ledger_rows(killed.collection)
        assert rows[2] >= num_vectors, "a committed vector was lost"
        num_vectors = rows[2]
        rows_after_kill.append(rows)
        if num_vectors == NUM_PICTURES:
            killed.collection.unlink()
            Path(f"{killed.collection}.wal").unlink(missing_ok=True)
            num_vectors = 0
    assert any(0 < vectors < NUM_PICTURES for _, _, vectors in rows_after_kill), rows_after_kill

    rest = killed.json(*index)
    assert rest["num_embedded"] == NUM_PICTURES - num_vectors
    assert ledger_rows(killed.collection) == (NUM_PICTURES, NUM_PICTURES, NUM_PICTURES)
    assert killed.json(*index)["num_embedded"] == 0
