"""Several processes at one collection, and processes that are killed while they write."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from typing import Any

import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.verify import verify
from crossmodal.ledger.write import model_versions
from tests.conftest import ROOT
from tests.ledger.build import column, count
from tests.ledger.work import NUM_SHARED, SHARD_SIZE

pytestmark = pytest.mark.process

NUM_KILLS = 6
ROWS = SHARD_SIZE + NUM_SHARED


def start(collection: Collection, name: str, first: int, num: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.ledger.work", str(collection.path), name]
    return subprocess.Popen(
        [*command, str(first), str(num)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def check(con: Any) -> None:
    """Assert that every shard is there as a whole and that no key is doubled."""
    shard_sizes = column(con, "SELECT count(*) FROM source GROUP BY split_part(uri, '/', 3)")
    assert set(shard_sizes) <= {ROWS}
    key = "content_hash, chunker, ordinal"
    assert column(con, f"SELECT 1 FROM chunk GROUP BY {key} HAVING count(*) > 1") == []
    live = model_versions.live(con)
    if live is not None:
        assert count(con, "chunk") == count(con, "vector_1_image")
        assert verify(con, "writer", live).problems == []


def test_kill_9_at_any_moment_loses_nothing_that_was_committed(collection: Collection) -> None:
    moments = random.Random(4)
    done = 0
    for _ in range(NUM_KILLS):
        process = start(collection, "writer", done, 10_000)
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        last = [first, *process.stdout.read().splitlines()][-1]
        process.stdout.close()
        process.wait()
        with collection.read() as con:
            check(con)
            stored = count(con, "source") // ROWS
        assert stored in (int(last) + 1, int(last) + 2)
        done = stored


def test_kill_9_while_the_collection_is_made_leaves_one_or_none(collection: Collection) -> None:
    for delay_s in (0.0, 0.02, 0.05, 0.1):
        process = start(collection, "writer", 0, 1)
        while not list(collection.path.parent.iterdir()) and process.poll() is None:
            time.sleep(0.001)
        time.sleep(delay_s)
        process.kill()
        process.communicate()
        if collection.exists:
            with collection.read() as con:
                check(con)
        for file in collection.path.parent.glob("c.duckdb"):
            file.unlink()
    last = start(collection, "writer", 0, 1)
    assert last.communicate()[0] == "0\n"


def test_two_writers_and_a_reader_all_get_on(collection: Collection) -> None:
    writers = [start(collection, name, 0, 12) for name in ("left", "right")]
    seen = []
    while any(process.poll() is None for process in writers):
        if collection.exists:
            with collection.read() as con:
                if model_versions.live(con) is not None:
                    seen.append(count(con, "source"))
                    assert count(con, "chunk") == count(con, "vector_1_image")
        time.sleep(0.02)
    for process in writers:
        printed, _ = process.communicate()
        assert process.returncode == 0
        assert printed.split() == [str(i) for i in range(12)]
    with collection.read() as con:
        assert count(con, "source") == 2 * 12 * ROWS
        assert (
            count(con, "chunk")
            == count(con, "vector_1_image")
            == 12 * (2 * SHARD_SIZE + NUM_SHARED)
        )
        assert verify(con, "left", model_versions.live(con)).problems == []
    assert seen == sorted(seen)
    assert all(num % ROWS == 0 for num in seen)
