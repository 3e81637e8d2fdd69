"""`crossmodal serve` as a person runs it: up, at work, and gone without a trace."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.shell import CROSSMODAL

pytestmark = pytest.mark.process


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

    def api(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        url = f"http://127.0.0.1:{self.port}/api{path}"
        answer = httpx.request(method, url, json=body, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def wait_until_up(self) -> None:
        for _ in range(600):
            if "status-report/" in self.log.read_text():
                return
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.2)
        pytest.fail(f"not up in two minutes:\n{self.log.read_text()}")

    def trigger(self, name: str, **changes: object) -> str:
        """Ask for a run as the UI does and return its id."""
        found = self.api("GET", f"/deployments/name/{name}")
        params = found["parameters"]["params"] | changes
        body = {"parameters": {"params": params}}
        run_id: str = self.api("POST", f"/deployments/{found['id']}/create_flow_run", body)["id"]
        return run_id

    def wait_for(self, run_id: str, state: str) -> None:
        for _ in range(600):
            found = self.api("GET", f"/flow_runs/{run_id}")["state_type"]
            if found == state:
                return
            assert found not in ("FAILED", "CRASHED", "CANCELLED"), self.log.read_text()
            time.sleep(0.2)
        pytest.fail(f"the run was never {state}:\n{self.log.read_text()}")

    def end(self, number: int) -> float:
        """Send a signal, wait until no process is left and return how long that took."""
        family = [self.process, *psutil.Process(self.process.pid).children(recursive=True)]
        start = time.monotonic()
        self.process.send_signal(number)
        assert self.process.wait(timeout=60) == 0, self.log.read_text()
        assert not [p for p in family[1:] if isinstance(p, psutil.Process) and p.is_running()]
        return time.monotonic() - start


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def served(tmp_path: Path, pictures: Path, tiny_clip: Path) -> Iterator[Served]:
    running = Served(tmp_path, pictures, "--collection", "photos.duckdb", "--model", tiny_clip)
    yield running
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGTERM)
        running.process.wait(timeout=60)


def test_serve_indexes_and_ends_within_seconds_of_sigterm(served: Served) -> None:
    served.wait_until_up()
    assert f"http://127.0.0.1:{served.port}" in served.log.read_text()
    served.wait_for(served.trigger("index/photos"), "COMPLETED")
    assert served.api("GET", "/deployments/name/index/photos")["paused"] is False
    assert served.end(signal.SIGTERM) < 30
    assert "Traceback" not in served.log.read_text()


def test_ctrl_c_amid_a_run_cancels_it_and_leaves_no_process(served: Served) -> None:
    served.wait_until_up()
    run = served.trigger("index/photos", shard_size=1, batch_size=1)
    served.wait_for(run, "RUNNING")
    assert served.end(signal.SIGINT) < 60
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", served.port)) != 0


def test_taken_port_is_said_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused = Served(tmp_path, "photos", port=taken.getsockname()[1])
        assert refused.process.wait(timeout=60) == 1
    assert "--port" in refused.log.read_text()
