"""Run a Prefect server as a child process: wait until it answers, end it with all it started.

Invariant: when the ``with`` block is left, however that happens, no process of the server is left.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from crossmodal.errors import DeploymentError

HOST = "127.0.0.1"
_STORAGE = "prefect.server.concurrency.lease_storage.filesystem"
OUTLIVED = {
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": _STORAGE,
    "PREFECT_SERVER_EVENTS_EXPIRED_BUCKET_BUFFER": "PT30M",
}
"""Let runs outlive a restart of the server.

Who holds a concurrency limit is kept in PREFECT_HOME, not in memory: a server that forgets its
leases as it restarts makes every limited run crash at its next renewal. And what has expired is
kept for longer than the quarter of an hour for which a server that was restarted puts events off:
one that deletes it after a minute, as by default, never runs a run again that crashed meanwhile.
"""
_START_S = 180
_STOP_S = 8


@dataclass(frozen=True, slots=True)
class Server:
    """Hold a server that answers at ``address``."""

    address: str
    process: subprocess.Popen[bytes]

    @property
    def api_url(self) -> str:
        """Return what PREFECT_API_URL has to be."""
        return f"{self.address}/api"

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self.process.poll() is None


@contextmanager
def running_server(port: int, log: Path) -> Iterator[Server]:
    """Yield a new server that answers; its database and settings are those of PREFECT_HOME.

    Raises:
        DeploymentError: the port is taken, or the server ends or stays silent.
    """
    _require_free(port)
    address = f"http://{HOST}:{port}"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as output:
        server = _start(port, address, output.fileno())
        try:
            _wait_until_healthy(server, address, log)
            yield Server(address, server)
        finally:
            _stop(server)


def _require_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise DeploymentError(
                f"port {port} is taken ({error.strerror}): choose another with --port, or use the "
                "Prefect server that runs there with `crossmodal deploy`"
            ) from error


def _start(port: int, address: str, output: int) -> subprocess.Popen[bytes]:
    """Start the server in a session of its own, so that Ctrl-C reaches it last, through us."""
    return subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", HOST, "--port", str(port)],
        env=os.environ
        | {
            "PREFECT_SERVER_UI_API_URL": f"{address}/api",
            "PREFECT_API_URL": f"{address}/api",
            "PREFECT_UI_URL": address,
            "PREFECT_LOGGING_LEVEL": "WARNING",
            **OUTLIVED,
        },
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _wait_until_healthy(server: subprocess.Popen[bytes], address: str, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(OSError), urllib.request.urlopen(f"{address}/api/health", timeout=2):
            return
        time.sleep(0.2)
    raise DeploymentError(f"the Prefect server did not start: {log} says why")


def _stop(server: subprocess.Popen[bytes]) -> None:
    """End the server's process group, gently and then for good."""
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        server.wait(_STOP_S)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)
    server.wait()
