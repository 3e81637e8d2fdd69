"""Try from inside a child what a hostile file would: each is held, and the parent lives."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossmodal.errors import Refused
from crossmodal.sandbox import landlock, seccomp
from crossmodal.sandbox.pool import run_in_child
from crossmodal.sandbox.walls import Walls, walls
from tests.sandbox import intruders

CANARY = "canary-3f9a"
needs_seccomp = pytest.mark.skipif(not seccomp.offered(), reason="no seccomp on this system")
needs_landlock = pytest.mark.skipif(
    sys.platform != "linux" or not landlock.version(), reason="no Landlock on this system"
)


def run(name: str, *args: Any, yields: tuple[Any, ...] = (Any,)) -> Iterator[Any]:
    function = getattr(intruders, name)
    limits = {"max_seconds": 20, "max_memory_bytes": 10**9}
    return run_in_child(function, *args, yields=yields, **limits)


def outcome(name: str, *args: Any) -> Any:
    (said,) = run(name, *args)
    return said


@needs_seccomp
@pytest.mark.parametrize(
    "attempt",
    [
        "open_socket",
        "make_pair",
        "start_program",
        "become_program",
        "fork",
        "clone_process",
        "signal_parent",
        "signal_all",
        "trace_parent",
        "limit_parent",
        "change_mode",
        "make_ring",
    ],
)
def test_child_cannot(attempt: str) -> None:
    assert outcome(attempt, os.getpid()) == "PermissionError"


@needs_seccomp
@pytest.mark.parametrize("attempt", ["write", "append", "make_folder", "remove", "rename", "link"])
def test_child_cannot_change_the_disk(attempt: str, tmp_path: Path) -> None:
    file = tmp_path / "precious"
    file.write_text("as it was")
    assert outcome(attempt, str(file)) == "PermissionError"
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]
    assert file.read_text() == "as it was"


@needs_landlock
def test_child_cannot_read_the_persons_files(tmp_path: Path) -> None:
    secret = tmp_path / "credentials"
    secret.write_text(CANARY)
    assert outcome("read", str(secret)) == "PermissionError"
    assert outcome("read", "/etc/passwd") == "PermissionError"
    assert outcome("read", f"/proc/{os.getpid()}/environ") == "PermissionError"


def test_child_gets_a_file_that_was_opened_for_it(tmp_path: Path) -> None:
    file = tmp_path / "film"
    file.write_bytes(b"frames")
    with file.open("rb") as opened:
        assert list(run("read_opened", opened, 3, yields=(bytes,))) == [b"fra"]
    with file.open("rb") as opened:
        assert list(run("read_opened", opened, 100, yields=(bytes,))) == [b"frames"]


def test_child_inherits_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    code = """if True:
        from typing import Any
        from crossmodal.sandbox.pool import run_in_child
        from tests.sandbox import intruders
        limits = dict(max_seconds=20, max_memory_bytes=10**9)
        print(*run_in_child(intruders.environment, yields=(Any,), **limits))
    """
    root = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": str(root)}
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout
    assert "PYTHONPATH" in told
    assert "AWS" not in told
    assert CANARY not in told


@pytest.mark.parametrize(
    "attempt",
    [
        "answer_pickle",
        "answer_noise",
        "answer_deep",
        "answer_long_number",
        "answer_other_type",
        "answer_other_field",
        "answer_other_class",
        "answer_wrong_sizes",
        "answer_wrong_array",
    ],
)
def test_answer_that_no_parser_gives_is_a_crash_and_runs_nothing(
    attempt: str, tmp_path: Path
) -> None:
    bait = tmp_path / "taken"
    with pytest.raises(Refused) as caught:
        list(run(attempt, str(bait), yields=intruders.SHAPES))
    assert caught.value.reason == "parser_crashed"
    assert not bait.exists()


def test_answer_that_claims_to_be_huge_takes_no_memory() -> None:
    with pytest.raises(Refused) as caught:
        list(run("answer_huge", yields=intruders.SHAPES))
    assert caught.value.reason == "out_of_memory"


def test_walls_are_told_in_a_sentence() -> None:
    assert "no sockets" in Walls(True, True, 7).sentence()
    assert "Landlock 7" in Walls(True, True, 7).sentence()
    assert "no walls on this system" in Walls(False, False, 0).sentence()


@needs_seccomp
def test_child_stands_behind_the_walls_that_this_system_is_said_to_have() -> None:
    held = outcome("what_is_held", os.getpid())
    assert held == {"NoNewPrivs": "1", "Seccomp": "2"}
    assert walls().system_calls
