"""A search asks the page of this user that has the models loaded, or does without it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from crossmodal.cli.main import make_app
from crossmodal.errors import CollectionMissing
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.lock import exclusive
from crossmodal.search import running
from crossmodal.search.options import QueryOptions
from crossmodal.search.running import ask_running, socket_path
from crossmodal.web.desk import desk
from tests.search.federation.conftest import FEW, fill


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Path) -> str:
    return str(fill(tmp_path_factory.mktemp("running") / "c.duckdb", tiny_clip, FEW))


@pytest.fixture(autouse=True)
def own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep sockets in a folder of this test, whose path is short."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("s")))


@pytest.fixture
def options(filled: str) -> QueryOptions:
    return QueryOptions(collection=filled)


def told(collection: str, *arguments: str, expect: int = 0) -> str:
    words = ["search", "a boat", "-c", collection, *arguments]
    done = CliRunner().invoke(make_app(words), words)
    assert done.exit_code == expect, done.output
    return done.stdout


@pytest.mark.parametrize("shown", [(), ("--json",), ("--files",), ("--expand", "1", "--json")])
def test_running_page_prints_what_the_command_would(filled: str, shown: tuple[str, ...]) -> None:
    with desk(Collection(filled), "cpu"):
        asked = told(filled, *shown)
        here = told(filled, "--here", "--device", "cpu", *shown)
    assert asked == here
    assert "/things/" in asked


def test_running_page_is_asked_and_not_by_chance(
    filled: str, options: QueryOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossmodal.cli.ask._service_of", None)  # calling it would fail
    with desk(Collection(filled), "cpu"):
        assert json.loads(told(filled, "--json"))[0]["hits"]
        linked = Path(filled).with_name("link.duckdb")
        linked.symlink_to(filled)
        assert ask_running(replace(options, collection=str(linked)), ["a boat"])
    assert ask_running(options, ["a boat"]) is None


def test_socket_is_of_this_user_alone_and_goes_with_the_page(filled: str) -> None:
    path = socket_path(filled)
    assert path is not None
    with desk(Collection(filled), "cpu"):
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not path.exists()
    path.parent.chmod(0o755)
    assert socket_path(filled) is None


def test_second_page_leaves_the_first_alone_and_takes_over_from_a_killed_one(
    filled: str, options: QueryOptions
) -> None:
    path = socket_path(filled)
    assert path is not None
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    assert ask_running(options, ["a boat"]) is None  # nobody listens there
    with desk(Collection(filled), "cpu"):
        with desk(Collection(filled), "cpu"):
            assert ask_running(options, ["a boat"])
        assert ask_running(options, ["a boat"])


def test_error_of_the_search_is_raised_here(
    filled: str, options: QueryOptions, tmp_path: Path
) -> None:
    own = tmp_path / "own.duckdb"
    shutil.copy(filled, own)
    with desk(Collection(own), "cpu"):
        own.unlink()
        with pytest.raises(CollectionMissing, match="no collection"):
            ask_running(replace(options, collection=str(own)), ["a boat"])
        told(str(own), expect=1)


def test_command_waits_itself_for_a_lock_that_the_page_gives_up_on(
    filled: str, options: QueryOptions
) -> None:
    with desk(Collection(filled, lock_timeout_s=0.05), "cpu"), exclusive(Path(filled), 10):
        assert ask_running(options, ["a boat"]) is None


@contextmanager
def saying(path: Path, answer: bytes) -> Iterator[None]:
    """Be another program at the socket."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def say() -> None:
            connection, _ = listening.accept()
            with connection:
                while connection.recv(1 << 16):
                    pass
                connection.sendall(answer)

        thread = threading.Thread(target=say, daemon=True)
        thread.start()
        yield
        thread.join(10)
    os.unlink(path)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"no json",
        b'{"error": "not understood"}',
        b'{"error": "Path"}',
        b'{"error": "errno"}',
        b"[]",
        b"{}",
    ],
)
def test_whatever_else_is_answered_the_command_does_without(
    options: QueryOptions, answer: bytes
) -> None:
    path = socket_path(options.collection)
    assert path is not None
    with saying(path, answer):
        assert ask_running(options, ["a boat"]) is None


def test_page_of_another_user_or_version_is_not_asked(
    filled: str, options: QueryOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    with desk(Collection(filled), "cpu"):
        assert ask_running(options, ["a boat"])
        with monkeypatch.context() as patch:
            patch.setattr(running, "code_version", lambda: "0.0.0")
            assert ask_running(options, ["a boat"]) is None
        with monkeypatch.context() as patch:
            patch.setattr(running, "is_own", lambda connection: False)
            assert ask_running(options, ["a boat"]) is None
