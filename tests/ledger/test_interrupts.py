"""Signals while DuckDB works: what their handlers raise arrives, and the handlers come back."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.interrupts import signals_heeded

ENDLESS = "SELECT count(*) FROM range(1000000000000) t(i) WHERE i % 7 = 3"


class Terminated(BaseException):
    pass


def terminate(number: int, frame: object) -> None:
    raise Terminated


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, terminate)
    yield
    signal.signal(signal.SIGTERM, before)


def soon(number: int) -> None:
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()


def test_a_terminated_statement_raises_what_the_handler_raised(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "c.duckdb")
    with pytest.raises(Terminated), collection.write() as con:
        con.execute("INSERT INTO collection_setting VALUES ('colour', 'blue')")
        soon(signal.SIGTERM)
        con.execute(ENDLESS).fetchall()
    with collection.read() as con:
        assert con.execute("SELECT count(*) FROM collection_setting").fetchall() == [(0,)]


def test_control_c_raises_keyboard_interrupt(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), Collection(tmp_path / "c.duckdb").write() as con:
        soon(signal.SIGINT)
        con.execute(ENDLESS).fetchall()


def test_signal_between_two_statements_undoes_the_transaction(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "c.duckdb")
    with pytest.raises(Terminated), collection.write() as con:
        con.execute("INSERT INTO collection_setting VALUES ('colour', 'blue')")
        os.kill(os.getpid(), signal.SIGTERM)
    with collection.read() as con:
        assert con.execute("SELECT count(*) FROM collection_setting").fetchall() == [(0,)]


def test_handlers_come_back_and_other_errors_pass() -> None:
    with (
        duckdb.connect() as con,
        pytest.raises(RuntimeError, match="a bug"),
        signals_heeded(con),
    ):
        assert signal.getsignal(signal.SIGTERM) is not terminate
        raise RuntimeError("a bug")
    assert signal.getsignal(signal.SIGTERM) is terminate


def test_other_threads_leave_the_handlers_alone() -> None:
    seen = []

    def look() -> None:
        with duckdb.connect() as con, signals_heeded(con):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [terminate]
