"""The command over several collections, and a served one that is killed while it answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from crossmodal.cli.main import make_app
from tests.search.federation.conftest import Shelves
from tests.shell import CROSSMODAL
from tests.waiting import eventually, free_port

pytestmark = pytest.mark.usefixtures("no_tokens")


def told(*arguments: str, expect: int = 0) -> str:
    words = ["search", "a boat", "--device", "cpu", *arguments]
    done = CliRunner().invoke(make_app(words), words)
    assert done.exit_code == expect, done.output
    return done.stdout


def test_command_names_the_collection_of_each_hit(shelves: Shelves, tmp_path: Path) -> None:
    listed = tmp_path / "all.txt"
    listed.write_text("\n".join(shelves.both))
    by_options = told("-c", shelves.few, "-c", shelves.most, "--json")
    by_list = told("-c", f"@{listed}", "--json")
    assert json.loads(by_options) == json.loads(by_list)
    (answer,) = json.loads(by_list)
    assert {hit["collection"] for hit in answer["hits"]} <= set(shelves.both)
    assert answer["unanswered"] == []
    assert "collection" in told("-c", shelves.few, "-c", shelves.most)


def test_exit_code_says_that_somebody_is_not_in_the_answer(
    shelves: Shelves, tmp_path: Path
) -> None:
    gone = str(tmp_path / "gone.duckdb")
    (answer,) = json.loads(told("-c", shelves.few, "-c", gone, "--json", expect=3))
    assert [each["reason"] for each in answer["unanswered"]] == ["missing"]
    assert len(answer["hits"]) == 10


@pytest.mark.process
def test_command_that_nobody_answers_in_time_ends_with_one_sentence(shelves: Shelves) -> None:
    """Threads that still load a model must not abort the process that leaves them behind."""
    asks = [CROSSMODAL, "search", "a boat", "-c", shelves.few, "-c", shelves.most]
    asks += ["--device", "cpu", "--deadline-s", "0.1"]
    done = subprocess.run(asks, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    assert done.stderr.startswith("crossmodal: none of the 2 collections answers: ")
    assert len(done.stderr.splitlines()) == 1


def test_file_of_queries_is_answered_by_many(shelves: Shelves, tmp_path: Path) -> None:
    file = tmp_path / "queries.txt"
    file.write_text("a boat\nred\n")
    words = ["search", "--queries", str(file), "--device", "cpu", "-k", "3"]
    words += [part for path in shelves.both for part in ("-c", path)]
    done = CliRunner().invoke(make_app(words), words)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [len(line["hits"]) for line in lines] == [3, 3]


@pytest.mark.process
def test_served_collection_that_is_killed_while_it_answers_is_named(shelves: Shelves) -> None:
    port = free_port()
    page = [CROSSMODAL, "ui", "-c", shelves.most, "--port", str(port), "--no-token"]
    server = subprocess.Popen([*page, "--device", "cpu"], stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{address}/health/ready", trust_env=False).is_success
        except httpx.TransportError:
            return False

    asks = [CROSSMODAL, "search", "a boat", "-c", shelves.few, "-c", address, "--json"]
    try:
        eventually(ready, 120, "a page that answers")
        whole = subprocess.run(asks, capture_output=True, text=True, check=True, timeout=120)
        os.kill(server.pid, signal.SIGSTOP)  # it has taken the question and says nothing
        threading.Timer(12, os.kill, (server.pid, signal.SIGKILL)).start()
        started = time.monotonic()
        partly = subprocess.run(asks, capture_output=True, text=True, check=False, timeout=120)
        assert time.monotonic() - started < 29  # not the deadline ended it
    finally:
        server.kill()
        server.wait()
    assert json.loads(whole.stdout)[0]["unanswered"] == []
    assert partly.returncode == 3, partly.stderr
    (answer,) = json.loads(partly.stdout)
    assert [each["reason"] for each in answer["unanswered"]] == ["unreachable"]
    assert {hit["collection"] for hit in answer["hits"]} == {shelves.few}
