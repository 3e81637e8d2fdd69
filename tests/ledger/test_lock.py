from __future__ import annotations

import os
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crossmodal.errors import CollectionBusy, CollectionUnreadable, is_transient
from crossmodal.ledger.lock import exclusive, shared


def test_readers_go_together(tmp_path: Path) -> None:
    db = tmp_path / "c.duckdb"
    barrier = threading.Barrier(3, timeout=60)

    def read() -> bool:
        with shared(db, 60):
            barrier.wait()
            return True

    with ThreadPoolExecutor(3) as pool:
        assert all(pool.map(lambda _: read(), range(3)))


@pytest.mark.parametrize("waiting", [shared, exclusive])
def test_who_waits_in_vain_for_a_writer_is_told_its_process(tmp_path: Path, waiting) -> None:
    db = tmp_path / "c.duckdb"
    holder = f"waited 0.1 s for process {os.getpid()} on "
    with exclusive(db), pytest.raises(CollectionBusy, match=re.escape(holder)) as told:
        waiting(db, 0.1).__enter__()
    assert is_transient(told.value)


def test_a_writer_that_waits_in_vain_for_readers_is_told_so(tmp_path: Path) -> None:
    db = tmp_path / "c.duckdb"
    with exclusive(db):
        pass
    with (
        shared(db),
        pytest.raises(CollectionBusy, match="for programs that read it"),
        exclusive(db, 0.1),
    ):
        pass


def test_the_lock_is_free_again_after_an_exception(tmp_path: Path) -> None:
    db = tmp_path / "c.duckdb"
    with pytest.raises(KeyError), exclusive(db):
        raise KeyError
    with exclusive(db, 0.1):
        assert (tmp_path / "c.duckdb.lock").exists()


def test_a_stream_of_readers_does_not_starve_a_writer(tmp_path: Path) -> None:
    db = tmp_path / "c.duckdb"
    stop = threading.Event()

    def read_on_and_on() -> None:
        while not stop.is_set():
            with shared(db, 30):
                time.sleep(0.02)

    readers = [threading.Thread(target=read_on_and_on) for _ in range(4)]
    for reader in readers:
        reader.start()
    try:
        with exclusive(db, 60):
            written = True
    finally:
        stop.set()
        for reader in readers:
            reader.join()
    assert written


def test_a_writer_needs_a_lock_file_but_a_reader_does_without(tmp_path: Path) -> None:
    db = tmp_path / "nowhere" / "c.duckdb"
    with shared(db, 0.1):
        read = True
    assert read
    with pytest.raises(CollectionUnreadable, match="No such file or directory"), exclusive(db, 0.1):
        pass
