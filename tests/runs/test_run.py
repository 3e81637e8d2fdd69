"""A run's row and folder: closed whatever happens, and cleared away by the next run if not."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from crossmodal.errors import CollectionUnreadable
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import runs
from crossmodal.ledger.write.runs import RunRecord
from crossmodal.runs.asked import note_asked, take_asked_s
from crossmodal.runs.options import RunOptions
from crossmodal.runs.run import Run, recorded

QUIET = RunOptions(quiet=True, flow_run_id="a-flow-run")


@pytest.fixture
def collection(tmp_path: Path) -> Collection:
    return Collection(tmp_path / "c.duckdb")


def history(collection: Collection) -> list[RunRecord]:
    with collection.read() as con:
        return runs.list_runs(con, 10)


def folders(collection: Collection) -> list[Path]:
    return list(Path(f"{collection.path}.runs").glob("*"))


def begin_and_die(collection: Collection) -> None:
    """Begin a run in another process, which ends without a word."""
    code = (
        "import os, sys; from crossmodal.runs.run import Run, recorded\n"
        "from crossmodal.runs.options import RunOptions\n"
        "from crossmodal.ledger.collection import Collection\n"
        "with recorded(Run(Collection(sys.argv[1]), 'index', RunOptions(quiet=True)), {}):\n"
        "    os._exit(9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(collection.path)], check=False)
    assert done.returncode == 9


def test_run_that_ends_well_leaves_a_row_and_no_folder(collection: Collection) -> None:
    run = Run(collection, "index", QUIET)
    with recorded(run, {"paths": ["/p"]}):
        assert run.workdir.is_dir()
        run.counts = {"num_embedded": 3}
    (row,) = history(collection)
    assert (row.state, row.counts["num_embedded"], row.message) == ("completed", 3, "")
    assert row.counts["wall_s"] == row.wall_s
    assert (row.params, row.flow_run_id) == ({"paths": ["/p"]}, "a-flow-run")
    assert not run.workdir.parent.exists()


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (ValueError("a bug"), "failed", "ValueError: a bug"),
        (KeyboardInterrupt(), "interrupted", "KeyboardInterrupt"),
    ],
)
def test_run_that_ends_badly_is_closed_with_what_ended_it(
    collection: Collection, error: BaseException, state: str, message: str
) -> None:
    run = Run(collection, "index", QUIET)
    with pytest.raises(type(error)), recorded(run, {}):
        raise error
    (row,) = history(collection)
    assert (row.state, row.message) == (state, message)
    assert not run.workdir.parent.exists()


def test_next_run_closes_the_row_and_clears_the_folder_of_one_that_was_killed(
    collection: Collection,
) -> None:
    begin_and_die(collection)
    assert len(folders(collection)) == 1
    with recorded(Run(collection, "index", QUIET), {}):
        assert len(folders(collection)) == 1
    assert [row.state for row in history(collection)] == ["completed", "interrupted"]
    assert folders(collection) == []


def put_a_folder_in_its_place(collection: Collection) -> None:
    collection.path.unlink()
    collection.path.mkdir()
    raise ValueError("a bug")


def test_run_that_cannot_be_closed_still_raises_what_ended_it(collection: Collection) -> None:
    run = Run(collection, "index", QUIET)
    with pytest.raises(ValueError, match="a bug") as caught, recorded(run, {}):
        put_a_folder_in_its_place(collection)
    (note,) = caught.value.__notes__
    assert note.startswith("the run's row stays open until the next run: ")
    assert "is a folder" in note


def test_run_without_a_place_for_its_folder_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    run = Run(Collection(tmp_path / "file" / "c.duckdb"), "index", QUIET)
    with pytest.raises(CollectionUnreadable, match="cannot be used"), recorded(run, {}):
        raise AssertionError("the run has begun")


def test_dry_run_leaves_nothing(collection: Collection) -> None:
    run = Run(collection, "index", RunOptions(record=False, quiet=True))
    with recorded(run, {}):
        assert run.workdir.is_dir()
    assert list(collection.path.parent.iterdir()) == []


def test_waiting_for_another_writer_is_told_as_a_part_of_the_run(collection: Collection) -> None:
    run = Run(collection, "index", QUIET)
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with Collection(collection.path).write():
            held.set()
            go_on.wait(5)

    with recorded(run, {}):
        other = threading.Thread(target=hold)
        other.start()
        held.wait(5)
        threading.Timer(0.2, go_on.set).start()
        with run.recorder.span("store"), collection.write():
            pass
        other.join()
    with collection.read() as con:
        waits = [s for s in runs.spans(con, run.id) if s.operator == "lock wait"]
    assert [(wait.stage, wait.wall_s > 0.1) for wait in waits] == [("store", True)]


def test_time_before_a_run_opened_is_told_from_when_it_was_asked_for(
    collection: Collection,
) -> None:
    run = Run(collection, "index", QUIET)
    run.passed_before("queue", run.started_s - 30, run.started_s - 2)
    run.passed_before("start-up", run.started_s - 2, run.started_s)
    assert run.began_s == run.started_s - 30
    told = [(span.stage, round(span.wall_s)) for span in run.recorder.drain()]
    assert told == [("queue", 28), ("start-up", 2)]


def test_only_the_run_that_opens_next_was_asked_for_when_the_process_began() -> None:
    note_asked()
    asked = take_asked_s()
    assert asked is not None
    assert abs(asked - psutil.Process().create_time()) < 1.5
    assert take_asked_s() is None
