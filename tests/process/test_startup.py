"""What answers at once imports nothing heavy, and a command has a Prefect server for itself."""

from __future__ import annotations

import os
import resource
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from crossmodal.cli import temporary_server
from tests.drawn import draw_pictures
from tests.process.watching import wait_for_vectors
from tests.shell import CROSSMODAL, Shell
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.process

HEAVY = {
    "torch",
    "transformers",
    "daft",
    "prefect",
    "pyarrow",
    "duckdb",
    "numpy",
    "PIL",
}
QUICK_CPU_S = 1.0
"""Of the processor, which is busy with other tests; a quiet one takes a fifth of it."""


def imported_by(*arguments: str) -> tuple[set[str], str, int]:
    """Return the top-level modules that a command imported, what it said and its exit code."""
    done = subprocess.run(
        [CROSSMODAL, *arguments],
        env=os.environ | {"PYTHONPROFILEIMPORTTIME": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    names = (line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines())
    return {name.partition(".")[0] for name in names}, done.stdout, done.returncode


@pytest.mark.parametrize("command", [(), ("index",), ("search",), ("backfill",), ("deploy",)])
def test_help_imports_nothing_heavy(command: tuple[str, ...]) -> None:
    imported, said, code = imported_by(*command, "--help")
    assert code == 0
    assert "Usage" in said
    assert "typer" in imported
    assert not imported & HEAVY


def test_wrong_option_is_told_of_before_anything_heavy_is_imported() -> None:
    imported, _, code = imported_by("index", "somewhere", "--no-such-option")
    assert code == 2
    assert not imported & HEAVY


def test_help_takes_little_of_the_processor() -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([CROSSMODAL, "--help"], check=True, capture_output=True, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used_s < QUICK_CPU_S


@pytest.fixture
def own_server(tmp_path: Path) -> dict[str, str]:
    """Return an environment in which a command has to start a Prefect server."""
    return os.environ | {"PREFECT_HOME": str(tmp_path / "prefect")}


def server_of(process: subprocess.Popen[str]) -> psutil.Process:
    """Wait for the temporary server of a command."""

    def found() -> psutil.Process | None:
        assert process.poll() is None, process.communicate()
        children = psutil.Process(process.pid).children()
        servers = (
            child for child in children if "crossmodal.cli.temporary_server" in child.cmdline()
        )
        return next(servers, None)

    return eventually(found, PATIENCE_S, "a temporary server", pause_s=0.02)


def flow_runs(environment: dict[str, str]) -> list[str]:
    with closing(sqlite3.connect(Path(environment["PREFECT_HOME"]) / "prefect.db")) as con:
        return [state for (state,) in con.execute("SELECT state_type FROM flow_run")]


def test_command_without_a_server_has_one_for_itself_and_takes_it_down(
    own_server: dict[str, str], pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    shell = Shell(tmp_path / "c.duckdb", own_server | {"PYTHONPROFILEIMPORTTIME": "1"})
    index = shell.start("index", pictures, "--model", tiny_clip, "--json")
    server = server_of(index)
    out, err = index.communicate(timeout=PATIENCE_S)
    assert index.returncode == 0, err[-3000:]
    assert '"num_embedded": 12' in out
    assert flow_runs(own_server) == ["COMPLETED"]
    assert not server.is_running()
    # The server's own imports are told of here too, but uvicorn loads this one by its name.
    imported = {line.rsplit("|", 1)[-1].strip() for line in err.splitlines()}
    assert "prefect.flows" in imported
    assert "prefect.server.api.server" not in imported


@pytest.mark.slow
def test_command_whose_server_dies_early_has_prefect_start_another(
    own_server: dict[str, str], pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    index = Shell(tmp_path / "c.duckdb", own_server).start("index", pictures, "--model", tiny_clip)
    server_of(index).kill()
    _, err = index.communicate(timeout=PATIENCE_S)
    assert index.returncode == 0, err
    assert flow_runs(own_server) == ["COMPLETED"]


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_ends_a_command_with_its_server_at_once(
    own_server: dict[str, str], tiny_clip: Path, tmp_path: Path
) -> None:
    draw_pictures(tmp_path / "many", 400)
    shell = Shell(tmp_path / "c.duckdb", own_server)
    index = shell.start("index", tmp_path / "many", "--model", tiny_clip, "--shard-size", 8)
    server = server_of(index)
    wait_for_vectors(index, shell.collection, 1)
    os.killpg(index.pid, signal.SIGINT)  # as a terminal does: to all in its foreground
    _, err = index.communicate(timeout=PATIENCE_S)
    assert index.returncode == 130
    assert "Traceback" not in err
    assert not server.is_running()


@pytest.mark.slow
def test_server_does_not_outlive_a_command_that_is_killed(
    own_server: dict[str, str], pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    index = Shell(tmp_path / "c.duckdb", own_server).start("index", pictures, "--model", tiny_clip)
    server = server_of(index)
    index.kill()
    index.communicate()
    server.wait(PATIENCE_S)


@pytest.mark.parametrize("name", ["prefect/profiles.toml", ".env", "prefect.toml", "environment"])
def test_server_that_prefect_is_told_of_is_left_to_prefect(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    assert not temporary_server.is_told()
    if name == "environment":
        monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    else:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text('PREFECT_API_URL = "http://127.0.0.1:4200/api"')
    with temporary_server.early_server() as server:
        assert server is None
