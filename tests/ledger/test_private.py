"""What lies beside a collection is as closed to others as the collection."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.copies import back_up
from crossmodal.ledger.private import as_private_as
from crossmodal.runs.options import RunOptions
from crossmodal.runs.run import Run, recorded


@pytest.fixture(autouse=True)
def open_umask():
    before = os.umask(0o022)
    yield
    assert os.umask(before) == 0o022


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_log_runs_and_copies_of_a_collection_are_its_owners_alone(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "c.duckdb")
    run = Run(collection, "index", RunOptions(quiet=True))
    with recorded(run, {}):
        assert mode(run.workdir) == mode(run.workdir.parent) == 0o700
        with collection.write() as con:
            con.execute("CREATE TABLE t AS SELECT range AS x FROM range(10)")
            con.execute("COMMIT")
            log = Path(f"{collection.path}.wal")
            assert mode(log) == mode(collection.path) == 0o600
            con.execute("BEGIN")
    back_up(collection, tmp_path / "copy.duckdb")
    assert mode(tmp_path / "copy.duckdb") == 0o600


def test_what_a_group_may_read_stays_readable_for_the_group(tmp_path: Path) -> None:
    shared = tmp_path / "shared.duckdb"
    shared.touch()
    shared.chmod(0o640)
    with as_private_as(shared):
        (tmp_path / "folder").mkdir()
        (tmp_path / "file").touch()
    assert (mode(tmp_path / "folder"), mode(tmp_path / "file")) == (0o750, 0o640)


def test_threads_that_end_in_any_order_leave_permissions_as_they_were(tmp_path: Path) -> None:
    inside, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with as_private_as(tmp_path / "none"):
            inside.set()
            go_on.wait(5)

    thread = threading.Thread(target=hold)
    with as_private_as(tmp_path / "none"):
        thread.start()
        inside.wait(5)
    (tmp_path / "during").touch()
    go_on.set()
    thread.join()
    (tmp_path / "after").touch()
    assert (mode(tmp_path / "during"), mode(tmp_path / "after")) == (0o600, 0o644)
