"""Ctrl-C and SIGTERM end an index that embeds: one sentence, soon, and with whole shards."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.drawn import draw_pictures
from tests.process.watching import ledger_rows, wait_for_vectors
from tests.shell import Shell
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.process, pytest.mark.slow]

NUM_PICTURES = 300
SHARD_SIZE = 8
SOON_S = 5.0


@contextmanager
def deaf_to_interrupts() -> Iterator[None]:
    """Let what is started be deaf to SIGINT, as a shell's job in the background is."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize(
    ("begun", "ending", "code"),
    [
        pytest.param(nullcontext, signal.SIGINT, 130, id="interrupted"),
        pytest.param(deaf_to_interrupts, signal.SIGINT, 130, id="interrupted-in-the-background"),
        pytest.param(nullcontext, signal.SIGTERM, 143, id="terminated"),
    ],
)
def test_signal_ends_an_index_with_one_sentence_and_whole_shards(
    begun: Callable[[], AbstractContextManager[None]],
    ending: signal.Signals,
    code: int,
    shell: Callable[..., Shell],
    tiny_clip: Path,
    tmp_path: Path,
) -> None:
    draw_pictures(tmp_path / "many", NUM_PICTURES)
    stopped = shell("stopped")
    index = ("index", tmp_path / "many", "--model", tiny_clip, "--shard-size", SHARD_SIZE)
    with begun():
        process = stopped.start(*index)
    wait_for_vectors(process, stopped.collection, 1)
    told = time.monotonic()
    os.killpg(process.pid, ending)
    _, err = process.communicate(timeout=PATIENCE_S)
    assert time.monotonic() - told < SOON_S
    assert process.returncode == code
    assert err.splitlines()[-1].startswith("crossmodal: stopped. What is committed stays")
    assert err.count("crossmodal: ") == 1
    assert "Traceback" not in err

    _, _, vectors = ledger_rows(stopped.collection)
    assert 0 < vectors < NUM_PICTURES
    assert vectors % SHARD_SIZE == 0
    assert stopped.json(*index)["num_embedded"] == NUM_PICTURES - vectors
