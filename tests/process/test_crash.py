"""Kill index runs with SIGKILL at random moments; the ledger must always be right afterwards."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drawn import draw_pictures
from tests.process.watching import ledger_rows, wait_for_vectors
from tests.shell import Shell

pytestmark = [pytest.mark.process, pytest.mark.slow]

NUM_PICTURES = 240
SHARD_SIZE = 8
NUM_KILLS = 20
"""Every other one finds the run amid its shards, whatever the machine's speed."""


def test_killed_index_run_loses_nothing_committed_and_the_rerun_does_the_rest(
    shell: Callable[..., Shell], tiny_clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    draw_pictures(folder, NUM_PICTURES)
    index = ("index", folder, "--model", tiny_clip, "--shard-size", SHARD_SIZE)
    killed = shell("killed")
    rng = random.Random(20)
    rows_after_kill = []
    num_vectors = 0
    to_first_vector_s = 0.0
    for number in range(NUM_KILLS):
        started = time.monotonic()
        process = killed.start(*index)
        if number % 2:
            time.sleep(rng.uniform(0.3, 1.5) * to_first_vector_s)
        else:
            wait_for_vectors(process, killed.collection, num_vectors + 1)
            to_first_vector_s = time.monotonic() - started
            time.sleep(rng.uniform(0, 0.05) * to_first_vector_s)
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
