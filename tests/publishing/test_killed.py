"""Killed between any two steps, a publication goes on with what is left."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.publishing.work import BATCH_ROWS
from tests.publishing.world import World, assert_in_step, stored, tables

AT = 4


@pytest.mark.slow
@pytest.mark.parametrize("where", ["sent", "noted"])
def test_killed_in_the_middle_the_next_one_sends_the_rest_and_the_store_is_whole(
    world: World, every_address: str, where: str
) -> None:
    address = every_address
    work = [sys.executable, "-W", "ignore", "-m", "tests.publishing.work"]
    worker = subprocess.Popen(
        [*work, str(world.collection.path), address, where, str(AT)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert worker.stdout is not None
    try:
        assert worker.stdout.readline() == "here\n"
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
    half = stored(address, world.model)
    assert len(half) == AT * BATCH_ROWS
    assert tables(address)[world.model.label].state == "publishing"
    world.delete(world.wanted()[max(half)][0])  # of the last batch, that the ledger may not know
    done = world.publish(address)
    assert done.num_sent == 60 - AT * BATCH_ROWS
    assert done.num_removed == 1
    assert_in_step(world, address)
    assert tables(address)[world.model.label].state == "complete"
    assert world.publish(address).num_sent == 0
