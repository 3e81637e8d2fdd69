from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from crossmodal.errors import CollectionBusy, CollectionMissing, CollectionUnreadable
from crossmodal.ledger.collection import Collection
from tests.conftest import ROOT
from tests.ledger import build


def _set(collection: Collection, key: str) -> None:
    with collection.write() as con:
        con.execute("INSERT INTO collection_setting VALUES (?, '')", [key])


def _keys(collection: Collection) -> list[str]:
    with collection.read() as con:
        return build.column(con, "SELECT key FROM collection_setting ORDER BY key")


def test_writing_makes_the_collection_and_its_folder(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "new" / "folder" / "c.duckdb")
    assert not collection.exists
    assert collection.size_bytes == 0
    _set(collection, "a")
    assert _keys(collection) == ["a"]
    assert collection.size_bytes > 0


def test_reading_a_collection_that_is_not_there_says_how_to_make_one(
    collection: Collection,
) -> None:
    with pytest.raises(CollectionMissing, match="crossmodal index"), collection.read():
        pass
    assert not collection.path.exists()


def _insert_and_fail(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("INSERT INTO collection_setting VALUES ('during', '')")
    raise ZeroDivisionError


def test_an_exception_undoes_the_whole_transaction(collection: Collection) -> None:
    _set(collection, "before")
    with pytest.raises(ZeroDivisionError), collection.write() as con:
        _insert_and_fail(con)
    assert _keys(collection) == ["before"]


def test_a_bug_in_a_statement_stays_the_error_that_it_is(collection: Collection) -> None:
    with pytest.raises(duckdb.CatalogException, match="no_such_table"), collection.write() as con:
        con.execute("SELECT * FROM no_such_table")
    assert _keys(collection) == []


def test_a_reader_cannot_write(collection: Collection) -> None:
    _set(collection, "a")
    with pytest.raises(duckdb.InvalidInputException, match="read-only"), collection.read() as con:
        con.execute("DELETE FROM collection_setting")
    assert _keys(collection) == ["a"]


def test_an_empty_file_becomes_a_collection(collection: Collection) -> None:
    collection.path.touch()
    assert not collection.exists
    _set(collection, "a")
    assert _keys(collection) == ["a"]


@pytest.mark.parametrize("leftover", ["c.duckdb.new", "c.duckdb.new.wal", "c.duckdb.wal"])
def test_what_a_crash_left_behind_does_not_hinder_a_new_collection(
    collection: Collection, leftover: str
) -> None:
    (collection.path.parent / leftover).write_bytes(b"half a file" * 999)
    _set(collection, "a")
    assert _keys(collection) == ["a"]


def test_a_file_that_is_no_database_is_named_as_such_and_kept(collection: Collection) -> None:
    collection.path.write_text("dear diary\n" * 999)
    with pytest.raises(CollectionUnreadable, match=r"c\.duckdb is not a DuckDB file"):
        _keys(collection)
    with pytest.raises(CollectionUnreadable, match=r"c\.duckdb is not a DuckDB file"):
        _set(collection, "a")
    assert collection.path.read_text().startswith("dear diary")
    assert list(collection.path.parent.iterdir()) == [collection.path]


def test_a_damaged_file_is_unreadable_not_a_crash(collection: Collection) -> None:
    _set(collection, "a")
    with collection.path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(8192))
    with pytest.raises(CollectionUnreadable, match="restore it from a copy"):
        _keys(collection)


def test_a_folder_is_refused_with_the_name_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(CollectionUnreadable, match=r"is a folder.*collection\.duckdb"):
        _set(Collection(tmp_path), "a")
    with pytest.raises(CollectionUnreadable, match=r"is a folder.*collection\.duckdb"):
        _keys(Collection(tmp_path))


def test_a_link_and_its_target_are_one_collection(collection: Collection, tmp_path: Path) -> None:
    _set(collection, "a")
    link = tmp_path / "link.duckdb"
    link.symlink_to(collection.path)
    assert Collection(link).path == collection.path
    _set(Collection(link), "b")
    assert _keys(collection) == ["a", "b"]


def test_a_writer_waits_for_readers_and_gives_up_with_a_message(collection: Collection) -> None:
    _set(collection, "a")
    hasty = Collection(collection.path, lock_timeout_s=0.1)
    with collection.read(), pytest.raises(CollectionBusy, match=r"busy: waited 0\.1 s"):
        _set(hasty, "b")
    _set(hasty, "b")
    assert _keys(collection) == ["a", "b"]


def test_threads_write_and_read_one_collection_without_loss(collection: Collection) -> None:
    def work(i: int) -> int:
        _set(collection, f"{i:02}")
        return len(_keys(collection))

    with ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(work, range(12)))
    assert _keys(collection) == [f"{i:02}" for i in range(12)]
    assert max(seen) == 12


def test_another_program_with_the_file_open_is_waited_for_then_named(
    collection: Collection,
) -> None:
    _set(collection, "a")
    shell = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True); "
            "sys.stdin.read(); con.close()",
            str(collection.path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    assert shell.stdout.readline() == "open\n"
    with pytest.raises(CollectionBusy, match="open in another program"):
        _keys(Collection(collection.path, lock_timeout_s=0.2))
    threading.Timer(0.3, shell.stdin.close).start()
    assert _keys(collection) == ["a"]
    assert shell.wait(10) == 0
    shell.stdout.close()


_AS_NOBODY = """
import os, sys
from crossmodal.errors import CollectionError
from crossmodal.ledger.collection import Collection
collection = Collection(sys.argv[1], lock_timeout_s=1)
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
with collection.read() as con:
    print(con.execute("SELECT key FROM collection_setting").fetchall())
try:
    with collection.write():
        print("written")
except CollectionError as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def locked_away() -> Iterator[Path]:
    """Return a folder that everyone may read and nobody but root may write."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    folder.chmod(0o700)
    shutil.rmtree(folder)


@pytest.mark.parametrize("lock_files", ["kept", "removed"])
def test_a_read_only_collection_can_be_read_and_says_why_it_cannot_be_written(
    locked_away: Path, lock_files: str
) -> None:
    collection = Collection(locked_away / "c.duckdb")
    _set(collection, "a")
    for file in locked_away.iterdir():
        file.chmod(0o444)
        if lock_files == "removed" and file != collection.path:
            file.unlink()
    locked_away.chmod(0o555)
    done = subprocess.run(
        [sys.executable, "-c", _AS_NOBODY, str(collection.path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    read, written = done.stdout.splitlines()
    assert read == "[('a',)]"
    assert written.startswith("CollectionUnreadable")
    assert "Permission denied" in written


_UNTIL_FULL = """
import resource, signal, sys
import pyarrow as pa
from crossmodal.errors import CollectionError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.sql import registered
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
collection = Collection(sys.argv[1])
room = collection.size_bytes + 4_000_000
resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))
keys = pa.table({"key": [f"{i:08}" * 40 for i in range(50_000)]})
try:
    with collection.write() as con, registered(con, keys=keys):
        con.execute("INSERT INTO collection_setting SELECT key, '' FROM keys")
except CollectionError as error:
    print(type(error).__name__, error)
"""


def test_a_full_disk_undoes_the_transaction_and_keeps_what_was_committed(
    collection: Collection,
) -> None:
    _set(collection, "before")
    done = subprocess.run(
        [sys.executable, "-c", _UNTIL_FULL, str(collection.path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout.startswith("CollectionError")
    assert "the disk is full" in done.stdout
    assert _keys(collection) == ["before"]
    _set(collection, "after")
    assert _keys(collection) == ["after", "before"]


def test_new_collection_is_its_owners_alone(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "c.duckdb")
    _set(collection, "one")
    assert collection.path.stat().st_mode & 0o777 == 0o600
