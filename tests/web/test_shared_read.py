"""Requests that come together share a read; a run that wants to commit is never kept waiting."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crossmodal.errors import CollectionBusy, CollectionMissing
from crossmodal.ledger import attached
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.lock import exclusive
from crossmodal.web import shared_read
from crossmodal.web.lru import Lru
from crossmodal.web.shared_read import SharedCollection


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Collection(tmp_path / "c.duckdb").write():
        pass
    return tmp_path / "c.duckdb"


def test_readers_that_overlap_open_the_file_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    enter = attached._Instance.enter
    monkeypatch.setattr(attached._Instance, "enter", lambda *a: opened.append(1) or enter(*a))
    collection = SharedCollection(path, 5)
    everyone = threading.Barrier(8)

    def read(number: int) -> int:
        with collection.read() as con:
            everyone.wait(20)
            return con.execute("SELECT ?", [number]).fetchall()[0][0]

    with ThreadPoolExecutor(8) as readers:
        assert sorted(readers.map(read, range(8))) == list(range(8))
    assert len(opened) < 8


def test_file_is_free_once_the_last_reader_left(path: Path) -> None:
    collection = SharedCollection(path, 5)
    with collection.read(), collection.read():
        pass
    with exclusive(path, timeout_s=0.5):
        pass


def test_stream_of_readers_does_not_keep_a_writer_out(path: Path) -> None:
    collection = SharedCollection(path, 20)
    stop = threading.Event()

    def keep_reading() -> int:
        number = 0
        while not stop.is_set():
            with collection.read() as con:
                con.execute("SELECT count(*) FROM source").fetchall()
                time.sleep(0.02)
            number += 1
        return number

    with ThreadPoolExecutor(4) as readers:
        reading = [readers.submit(keep_reading) for _ in range(4)]
        try:
            for number in range(3):
                with Collection(path, lock_timeout_s=20).write() as con:
                    con.execute("INSERT INTO collection_setting VALUES (?, '')", [str(number)])
        finally:
            stop.set()
        assert all(found.result() for found in reading)
    with collection.read() as con:
        assert con.execute("SELECT count(*) FROM collection_setting").fetchall() == [(3,)]


def test_what_was_committed_is_seen_by_the_next_read(path: Path) -> None:
    collection = SharedCollection(path, 5)
    with collection.read() as con:
        con.execute("SELECT 1").fetchall()
    with Collection(path).write() as con:
        con.execute("INSERT INTO collection_setting VALUES ('a', 'b')")
    with collection.read() as con:
        assert con.execute("SELECT value FROM collection_setting").fetchall() == [("b",)]


def test_old_reads_are_not_joined(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_read, "HOLD_S", 0.0)
    collection = SharedCollection(path, 5)
    with collection.read(), collection.read() as con:
        assert con.execute("SELECT 1").fetchall() == [(1,)]


def test_all_who_wait_for_a_busy_file_hear_it_together(path: Path) -> None:
    collection = SharedCollection(path, 0.3)

    def read() -> None:
        with collection.read():
            pass

    with exclusive(path, 5), ThreadPoolExecutor(6) as readers:
        started = time.monotonic()
        errors = [found.exception() for found in [readers.submit(read) for _ in range(6)]]
        waited_s = time.monotonic() - started
    assert {type(error) for error in errors} == {CollectionBusy}
    assert waited_s < 6 * 0.3
    read()


def test_missing_collection_is_found_once_it_is_there(tmp_path: Path) -> None:
    collection = SharedCollection(tmp_path / "later.duckdb", 1)
    with pytest.raises(CollectionMissing), collection.read():
        pass
    with Collection(tmp_path / "later.duckdb").write():
        pass
    with collection.read() as con:
        assert con.execute("SELECT 1").fetchall() == [(1,)]


def test_least_used_goes_first_and_what_is_too_heavy_is_not_kept() -> None:
    kept: Lru[str, bytes] = Lru(10, len)
    kept.put("a", b"1234")
    kept.put("b", b"1234")
    assert kept.get("a") == b"1234"
    kept.put("c", b"1234")
    assert kept.get("b") is None
    kept.put("a", b"x" * 11)
    assert kept.get("a") is None
    assert kept.weight == 4
