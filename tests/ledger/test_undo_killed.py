"""Killed at any moment, an undo has happened or has not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import undo, undo_log
from crossmodal.ledger.write.runs import RunStart, start_run
from crossmodal.runs.undo_run import undo_run
from tests.ledger.undo_world import World, digest

NUM_KILLS = 30


@pytest.mark.operation
def test_killed_at_any_moment_all_of_a_run_is_there_or_none_of_it(collection: Collection) -> None:
    rng = random.Random(7)
    with collection.write() as con:
        undo_log.set_keep_undo(con, "1000")
        world = World(con, rng)
        world.run()
        before = digest(con)
        world.run()
        after = digest(con)
    longest_s = 3 * _seconds_of_an_undo(collection)
    seen = []
    for _ in range(NUM_KILLS):
        _work_until_killed(collection, _latest(collection), rng.uniform(0.0, longest_s))
        with collection.read() as con:
            now = digest(con)
        assert now in (before, after)
        seen.append(now == before)
    assert len(set(seen)) == 2, "every kill came before or after all of the work"


def _seconds_of_an_undo(collection: Collection) -> float:
    """Undo and bring back; return how long one of them takes here and now."""
    began = time.monotonic()
    undo_run(collection, undo_run(collection, _latest(collection)).run_id)
    return (time.monotonic() - began) / 2


def _work_until_killed(collection: Collection, run_id: str, seconds: float) -> None:
    command = [sys.executable, "-m", "tests.ledger.undo_work", str(collection.path), run_id]
    worker = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None
    assert worker.stdout.readline() == "at work\n"
    time.sleep(seconds)
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    worker.stdout.close()


def _latest(collection: Collection) -> str:
    """Return the latest run; starting one more marks as interrupted what was killed."""
    with collection.write() as con:
        start_run(con, RunStart(run_id="look", flow="look", params={}, code_version="0"))
        con.execute("DELETE FROM run WHERE run_id = 'look'")
        return undo.undoable(con)[0].run_id
