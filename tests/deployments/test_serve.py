"""`crossmodal serve` as a person runs it: up, at work, and gone without a trace."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.api import Api
from tests.drawn import draw_pictures
from tests.logs import while_it_goes
from tests.process.watching import held_up
from tests.shell import CROSSMODAL
from tests.waiting import PATIENCE_S, end, eventually, free_port

pytestmark = pytest.mark.process

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class Served:
    """Run `crossmodal serve` on a free port with a Prefect home of its own."""

    def __init__(self, folder: Path, *arguments: object, port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.log = folder / "serve.log"
        unset = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [CROSSMODAL, "serve", *map(str, arguments), "--port", str(self.port)],
                cwd=folder,
                env=unset | {"PREFECT_HOME": str(folder / "prefect")},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def api(self) -> Api:
        return Api(f"http://127.0.0.1:{self.port}/api")

    def wait_until_up(self) -> float:
        """Wait for the last line that it says as it starts; return how long that took."""
        started = time.monotonic()
        eventually(self._up, PATIENCE_S, f"up: {self.log}")
        return time.monotonic() - started

    def _up(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return "status-report/" in self.log.read_text()

    def trigger(self, name: str, **changes: object) -> str:
        """Ask for a run as the UI does and return its id."""
        found = self.api.get(f"/deployments/name/{name}")
        body = {"parameters": changes}
        run_id: str = self.api.post(f"/deployments/{found['id']}/create_flow_run", body)["id"]
        return run_id

    def wait_for(self, run_id: str, state: str) -> None:
        def reached() -> bool:
            found = self.api.get(f"/flow_runs/{run_id}")["state_type"]
            assert found == state or found not in ENDED, self.log.read_text()
            return bool(found == state)

        eventually(reached, PATIENCE_S, f"{state}: {self.log}")

    def end(self, number: int) -> float:
        """Send a signal, wait until no process is left and return how long that took."""
        family = psutil.Process(self.process.pid).children(recursive=True)
        started = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(timeout=PATIENCE_S) == 0, self.log.read_text()
        ended_s = time.monotonic() - started
        # Nobody but init has orphans to bury, which takes it a moment.
        _, left = psutil.wait_procs(family, timeout=30)
        assert left == []
        return ended_s


@pytest.fixture
def served(tmp_path: Path, pictures: Path, tiny_clip: Path) -> Iterator[Served]:
    running = Served(tmp_path, pictures, "--collection", "photos.duckdb", "--model", tiny_clip)
    yield running
    end(running.process, PATIENCE_S)


def test_serve_indexes_and_ends_within_seconds_of_sigterm(served: Served) -> None:
    start_s = served.wait_until_up()
    assert f"http://127.0.0.1:{served.port}" in served.log.read_text()
    served.wait_for(served.trigger("index/photos"), "COMPLETED")
    assert served.api.get("/deployments/name/index/photos")["paused"] is False
    assert served.end(signal.SIGTERM) < max(30, 3 * start_s), "a slow machine is slow at both"
    assert "Traceback" not in served.log.read_text()


@pytest.mark.slow
def test_ctrl_c_amid_a_run_cancels_it_and_leaves_no_process(served: Served) -> None:
    served.wait_until_up()
    run = served.trigger("index/photos", shard_size=1, batch_size=1)
    served.wait_for(run, "RUNNING")
    served.end(signal.SIGINT)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", served.port)) != 0


@pytest.mark.slow
def test_log_of_a_run_can_be_read_while_it_goes(served: Served, pictures: Path) -> None:
    draw_pictures(pictures, 40)
    served.wait_until_up()
    run = served.trigger("index/photos", shard_size=1, batch_size=1)
    with held_up(served.folder / "photos.duckdb", at_least=3):
        text = while_it_goes(served.api, run, "shard 2 of 40: 1 source, 1 chunk embedded")
    assert "discover: 40 files found" in text
    assert "plan: 40 files to embed (40 added)" in text
    assert "embedding with tiny-clip@" in text
    assert "batch size 1" in text


def test_taken_port_is_said_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = Served(tmp_path, "photos", port=taken.getsockname()[1])
        assert refused.process.wait(timeout=PATIENCE_S) == 1
    assert "--port" in refused.log.read_text()
