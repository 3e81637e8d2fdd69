"""Stop a backfill in the middle: what is committed stays, the next one does the rest."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drawn import draw_picture
from tests.process.watching import ledger_rows, wait_for_vectors
from tests.shell import Shell
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.process, pytest.mark.slow]

ALBUMS = ("2022", "2023", "2024")
NUM_IN_ALBUM = 40
NUM_PICTURES = len(ALBUMS) * NUM_IN_ALBUM
SHARD_SIZE = 4


@pytest.fixture
def albums(tmp_path: Path) -> Path:
    folder = tmp_path / "albums"
    for number in range(NUM_PICTURES):
        file = folder / ALBUMS[number // NUM_IN_ALBUM] / f"{number:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        draw_picture(number).save(file)
    return folder


def states(shell: Shell) -> dict[str, str]:
    [backfill] = shell.json("backfills")
    rows = shell.json("backfills", backfill["backfill_id"])
    return {Path(row["name"]).name: row["state"] for row in rows}


def assert_told(found: dict[str, str], num_vectors: int, begun: str) -> None:
    """Assert what each album's state is where a stop came after so many vectors."""
    num_done, num_over = divmod(num_vectors, NUM_IN_ALBUM)
    assert [found[album] for album in ALBUMS[: num_done - 1]] == ["done"] * (num_done - 1)
    assert [found[album] for album in ALBUMS[num_done + 1 :]] == ["pending"] * (2 - num_done)
    if num_over:
        assert (found[ALBUMS[num_done - 1]], found[ALBUMS[num_done]]) == ("done", begun)


@pytest.mark.parametrize(
    ("number", "second"), [(signal.SIGKILL, "running"), (signal.SIGTERM, "pending")]
)
def test_backfill_that_was_stopped_goes_on_with_what_is_left(
    shell: Callable[..., Shell], tiny_clip: Path, albums: Path, number: int, second: str
) -> None:
    stopped = shell()
    backfill = ("backfill", albums, "--model", tiny_clip, "--shard-size", SHARD_SIZE)
    process = stopped.start(*backfill)
    wait_for_vectors(process, stopped.collection, NUM_IN_ALBUM + SHARD_SIZE)
    os.kill(process.pid, number)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0

    _, _, num_vectors = ledger_rows(stopped.collection)
    assert NUM_IN_ALBUM < num_vectors < NUM_PICTURES
    assert num_vectors % SHARD_SIZE == 0, "a shard is wholly there or not at all"
    assert_told(states(stopped), num_vectors, second)

    rest = stopped.json(*backfill)
    assert rest["num_embedded"] == NUM_PICTURES - num_vectors
    assert ledger_rows(stopped.collection) == (NUM_PICTURES,) * 3
    assert states(stopped) == dict.fromkeys(ALBUMS, "done")
    assert {row["num_done"] for row in rest["partitions"]} == {NUM_IN_ALBUM}

    again = stopped.json(*backfill)
    assert again["num_embedded"] == 0
    assert again["backfill_id"] == rest["backfill_id"]


def test_backfill_and_index_at_once_both_finish_and_embed_nothing_twice(
    shell: Callable[..., Shell], tiny_clip: Path, albums: Path
) -> None:
    both = shell()
    options = ("--model", tiny_clip, "--shard-size", SHARD_SIZE)
    processes = [both.start(command, albums, *options) for command in ("index", "backfill")]
    outcomes = [process.communicate(timeout=2 * PATIENCE_S) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outcomes
    assert ledger_rows(both.collection) == (NUM_PICTURES,) * 3


def test_report_lists_the_partitions_and_a_rerun_imports_no_torch(
    shell: Callable[..., Shell], tiny_clip: Path, pictures: Path
) -> None:
    collection = shell()
    shown = collection.run("backfill", pictures, "--model", tiny_clip)
    assert "1 of 1 partitions done" in shown.stdout
    assert "by prefix" in collection.run("backfills").stdout
    watched = Shell(
        collection.collection, collection.environment | {"PYTHONPROFILEIMPORTTIME": "1"}
    )
    again = watched.run("backfill", pictures, "--model", tiny_clip, "--json")
    imported = {line.rsplit("|", 1)[-1].strip() for line in again.stderr.splitlines()}
    assert "prefect" in imported
    assert not imported & {"torch", "transformers", "daft"}
    assert '"num_embedded": 0' in again.stdout


def test_wrong_option_is_told_in_one_line(shell: Callable[..., Shell], pictures: Path) -> None:
    refused = shell().run("backfill", pictures, "--partition-by", "week", expect=2)
    assert "--partition-by" in refused.stderr
    assert "Traceback" not in refused.stderr
