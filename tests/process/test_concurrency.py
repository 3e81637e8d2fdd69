"""Several crossmodal processes on one collection: all finish, nothing is lost or doubled."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.drawn import draw_pictures
from tests.process.watching import ledger_rows
from tests.shell import Shell
from tests.waiting import PATIENCE_S

pytestmark = [pytest.mark.process, pytest.mark.slow]


def test_two_index_runs_at_once_both_finish_and_lose_nothing(
    shell: Callable[..., Shell], tiny_clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    draw_pictures(folder, 60)
    both = shell()
    index = ("index", folder, "--model", tiny_clip, "--shard-size", 8)
    processes = [both.start(*index) for _ in range(2)]
    outcomes = [process.communicate(timeout=2 * PATIENCE_S) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outcomes
    assert ledger_rows(both.collection) == (60, 60, 60)


def test_search_answers_while_an_index_run_is_writing(
    shell: Callable[..., Shell], tiny_clip: Path, tmp_path: Path
) -> None:
    first, more = tmp_path / "first", tmp_path / "more"
    draw_pictures(first, 4)
    draw_pictures(more, 120)
    both = shell()
    both.run("index", first, "--model", tiny_clip)
    writing = both.start("index", more, "--shard-size", 4)
    answers = []
    while writing.poll() is None:
        answers.append(both.json("search", "a circle", "-k", 3))
        time.sleep(0.2)
    _, said = writing.communicate()
    assert writing.returncode == 0, said
    assert answers
    assert all(len(answer[0]["hits"]) == 3 for answer in answers)
