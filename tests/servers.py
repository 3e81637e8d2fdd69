"""Start real Prefect servers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.api import Api
from tests.waiting import PATIENCE_S, end, eventually, free_port

IDLE_SERVICES = (
    "CANCELLATION_CLEANUP",
    "CLEANUP_RECONCILER",
    "FOREMAN",
    "LATE_RUNS",
    "PAUSE_EXPIRATIONS",
    "REPOSSESSOR",
)
"""What the session's server does unasked and no test waits for; each run of them locks SQLite."""


@contextmanager
def prefect_server_at(home: Path) -> Iterator[str]:
    """Start a Prefect server that keeps what it keeps in a folder; yield its API's URL."""
    port = free_port()
    environment = os.environ | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_UI_ENABLED": "false",
        "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
        "PREFECT_LOGGING_LEVEL": "WARNING",
        **{f"PREFECT_SERVER_SERVICES_{idle}_ENABLED": "false" for idle in IDLE_SERVICES},
    }
    log = (home / "server.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    api = Api(f"http://127.0.0.1:{port}/api")

    def healthy() -> bool:
        assert server.poll() is None, f"the server ended:\n{(home / 'server.log').read_text()}"
        return api.is_healthy

    try:
        eventually(healthy, PATIENCE_S, f"a healthy Prefect server: {log.name}")
        yield api.url
    finally:
        end(server)
        log.close()
