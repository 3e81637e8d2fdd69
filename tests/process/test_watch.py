"""A watch indexes what changes, within seconds, and nothing that is its own."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from tests.drawn import draw_picture, draw_pictures
from tests.shell import Shell

pytestmark = pytest.mark.process
LONG_S = 300


class Watch:
    """Read the reports of a running watch, one a line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: Queue[str] = Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def report(self) -> dict[str, Any]:
        return dict(json.loads(self._lines.get(timeout=LONG_S)))

    def has_more(self) -> bool:
        return not self._lines.empty()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("watched")
    draw_pictures(folder, 2)
    return folder


@pytest.fixture(scope="module")
def watch(session_shell: Callable[[str], Shell], folder: Path, tiny_clip: Path) -> Iterator[Watch]:
    shell = session_shell("watch")
    inside = Shell(folder / "own.duckdb", shell.environment)
    process = inside.start(
        "watch", folder, "--model", tiny_clip, "--settle-s", "0.2", "--json", "--allow-delete"
    )
    yield Watch(process)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


def test_watch_indexes_first_then_what_is_added_changed_and_deleted(
    watch: Watch, folder: Path
) -> None:
    first = watch.report()
    assert first["num_embedded"] == 2
    draw_picture(50).save(folder / "new.png")
    added = watch.report()
    assert (added["counts"]["added"], added["num_embedded"]) == (1, 1)
    draw_picture(51).save(folder / "new.png")
    assert watch.report()["counts"]["changed"] == 1
    (folder / "new.png").unlink()
    deleted = watch.report()
    assert (deleted["counts"]["deleted"], deleted["num_embedded"]) == (1, 0)
    # The collection lies in the folder itself: what the runs wrote there wakes nobody.
    assert not watch.has_more()


def test_watch_of_a_bucket_is_refused(session_shell: Callable[[str], Shell]) -> None:
    done = session_shell("watch").run("watch", "s3://bucket/photos", expect=1)
    assert "crossmodal deploy" in done.stderr
