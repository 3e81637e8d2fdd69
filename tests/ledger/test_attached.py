"""A process reads a file many times with one DuckDB, and holds nothing open between two reads."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import pytest

from crossmodal.ledger import attached as module
from crossmodal.ledger.attached import attached, cursor_of

_ADD = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); c.execute(sys.argv[2]); c.close()"
_DIE = (
    "import duckdb, os, sys; c = duckdb.connect(sys.argv[1]); c.execute(sys.argv[2]); os._exit(0)"
)


def elsewhere(path: Path, sql: str, program: str = _ADD) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-c", program, str(path), sql]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


def numbers(path: Path) -> list[int]:
    with attached(path) as con:
        return [number for (number,) in con.execute("SELECT n FROM t ORDER BY n").fetchall()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / 'it\'s "one".duckdb'
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (1)")
    return path


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the paths for which an instance is made, as they are made."""
    paths: list[Path] = []

    class Counted(module._Instance):
        def __init__(self, path: Path) -> None:
            paths.append(path)
            super().__init__(path)

    monkeypatch.setattr(module, "_Instance", Counted)
    return paths


def test_one_instance_serves_read_after_read_and_sees_what_others_wrote(
    path: Path, made: list[Path]
) -> None:
    assert numbers(path) == [1]
    assert elsewhere(path, "INSERT INTO t VALUES (2)").returncode == 0
    assert numbers(path) == [1, 2]
    assert elsewhere(path, "INSERT INTO t VALUES (3)", _DIE).returncode == 0
    assert Path(f"{path}.wal").exists()
    assert numbers(path) == [1, 2, 3], "what only the log has counts too"
    assert made == [path]


def test_file_that_took_the_place_of_another_is_read(path: Path, tmp_path: Path) -> None:
    assert numbers(path) == [1]
    with duckdb.connect(str(tmp_path / "other.duckdb")) as con:
        con.execute("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (7)")
    os.replace(tmp_path / "other.duckdb", path)
    assert numbers(path) == [7]


def test_others_are_kept_out_while_it_is_read_and_only_then(path: Path) -> None:
    with attached(path), attached(path) as con:
        assert con.execute("SELECT n FROM t").fetchall() == [(1,)]
        assert "Conflicting lock" in elsewhere(path, "INSERT INTO t VALUES (2)").stderr
    assert elsewhere(path, "INSERT INTO t VALUES (2)").returncode == 0


def test_readers_in_many_threads_have_names_of_their_own(path: Path, made: list[Path]) -> None:
    everyone = threading.Barrier(6)

    def read(number: int) -> int:
        with attached(path) as con, cursor_of(con) as cursor:
            cursor.execute("CREATE TEMP TABLE mine AS SELECT n + ? AS m FROM t", [number])
            everyone.wait(20)
            return int(cursor.execute("SELECT m FROM mine").fetchall()[0][0])

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(read, range(6))) == list(range(1, 7))
    assert made == [path]


def test_nobody_writes_through_a_read(path: Path) -> None:
    with attached(path) as con, pytest.raises(duckdb.InvalidInputException, match="read-only"):
        con.execute("INSERT INTO t VALUES (2)")
    assert numbers(path) == [1]


def test_instance_that_met_an_error_is_not_used_again(path: Path, made: list[Path]) -> None:
    with pytest.raises(ZeroDivisionError), attached(path):
        raise ZeroDivisionError
    assert numbers(path) == [1]
    assert made == [path, path]


def test_file_that_is_missing_or_none_is_an_error_and_no_reader_stays(
    path: Path, tmp_path: Path
) -> None:
    junk = tmp_path / "junk.duckdb"
    junk.write_bytes(b"junk" * 5000)
    for wrong in (tmp_path / "missing.duckdb", junk):
        for _ in range(2):
            with pytest.raises(duckdb.IOException):
                numbers(wrong)
    shutil.copy(path, junk)
    assert numbers(junk) == [1]


def test_damaged_block_costs_one_read_and_not_the_next(tmp_path: Path) -> None:
    path = tmp_path / "large.duckdb"
    with duckdb.connect(str(path)) as con:
        con.execute("CREATE TABLE t AS SELECT range AS n FROM range(500_000)")
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(len(whole) // 2)
        file.write(b"\xff" * 65_536)
    with pytest.raises(duckdb.Error):
        numbers(path)
    path.write_bytes(whole)
    assert len(numbers(path)) == 500_000


def test_few_idle_instances_are_kept(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.duckdb" for number in range(9)]
    for path in paths:
        with duckdb.connect(str(path)) as con:
            con.execute("CREATE TABLE t (n INTEGER)")
        assert numbers(path) == []
    held = module._instances._held
    assert len(held) <= module._MAX_IDLE
    assert list(held)[-1] == paths[-1]


def test_signal_that_comes_as_a_file_is_attached_is_heeded(path: Path) -> None:
    program = (
        "import signal, sys, threading, os, time\n"
        "from pathlib import Path\n"
        "from crossmodal.ledger.attached import attached\n"
        "threading.Timer(1.0, lambda: os.kill(os.getpid(), signal.SIGINT)).start()\n"
        "try:\n"
        "    while True:\n"
        "        with attached(Path(sys.argv[1])) as con:\n"
        "            pass\n"
        "except KeyboardInterrupt:\n"
        "    print('heeded', flush=True)\n"
    )
    done = elsewhere(path, "", program)
    assert done.stdout == "heeded\n", done.stderr
    assert elsewhere(path, "INSERT INTO t VALUES (2)").returncode == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forked_child_reads_by_an_instance_of_its_own(path: Path) -> None:
    program = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from crossmodal.ledger.attached import attached\n"
        "def read():\n"
        "    with attached(Path(sys.argv[1])) as con:\n"
        "        return con.execute('SELECT n FROM t').fetchall()\n"
        "read()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    os._exit(0 if read() == [(1,)] else 1)\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    done = elsewhere(path, "", program)
    assert done.returncode == 0, done.stderr


def test_process_that_read_ends_without_a_word(path: Path) -> None:
    program = (
        "import sys\nfrom pathlib import Path\n"
        "from crossmodal.ledger.attached import attached\n"
        "with attached(Path(sys.argv[1])) as con:\n"
        "    print(con.execute('SELECT n FROM t').fetchall())\n"
    )
    done = elsewhere(path, "", program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[(1,)]\n", "")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
