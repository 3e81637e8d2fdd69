"""Run everything on one machine: the Prefect server as a child, the schedules and flows from here.

Invariant: SIGTERM, SIGHUP and Ctrl-C cancel the runs, then end the runner, then the server.
"""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from prefect.runner import Runner
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_LOGGING_LEVEL,
    temporary_settings,
)

from crossmodal.errors import DeploymentError
from deployments.automations import HEARTBEAT_S
from deployments.changes import first_line
from deployments.declared import served
from deployments.deploy import put_automations
from deployments.server import running_server
from deployments.target import Target

if TYPE_CHECKING:
    from prefect.deployments.runner import RunnerDeployment

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LEVEL = "INFO"
"""Of the runs' logs: a line a stage."""
_CANCEL_S = 45  # Prefect gives a run 30 s to end before it is killed


def serve(target: Target, port: int, alert_url: str | None, say: Callable[[str], None]) -> None:
    """Serve the target's deployments until a signal ends it.

    Raises:
        DeploymentError: the server does not start, or ends by itself.
    """
    log = PREFECT_HOME.value() / "crossmodal-server.log"
    with _signalled() as stop, running_server(port, log) as server:
        _set_environment(server.api_url)
        # Prefect hands its settings on to the runs, whatever stands in the environment by then.
        told = {PREFECT_API_URL: server.api_url, PREFECT_LOGGING_LEVEL: _LEVEL}
        with temporary_settings(told):
            put_automations(alert_url)
            deployments = served(target)
            running = _Running(deployments)
            say(f"Prefect UI: {server.address}   (Ctrl-C ends everything; server log: {log})")
            for deployment in deployments:
                say(f"  {deployment.full_name}: {first_line(deployment.description)}")
            while not stop.wait(0.5) and server.alive and running.alive:
                pass
            running.stop(server.alive)
            if not server.alive:
                raise DeploymentError(f"the Prefect server ended: {log} says why")


class _Running:
    """Run deployments on a thread of their own.

    On the main thread Prefect's runner would take SIGTERM for itself and leave its runs behind.
    """

    def __init__(self, deployments: list[RunnerDeployment]) -> None:
        self._runner = Runner(name="crossmodal")
        for deployment in deployments:
            self._runner.add_deployment(deployment)
        settings = contextvars.copy_context()
        self._done: Future[Any] = ThreadPoolExecutor(1, "runner").submit(settings.run, self._run)

    def _run(self) -> None:
        asyncio.run(self._runner.start())

    @property
    def alive(self) -> bool:
        """Whether the runner still looks for work."""
        return not self._done.done()

    def stop(self, server_alive: bool) -> None:
        """Cancel the runs, pause the schedules and end; raise what ended the runner before."""
        if self.alive and server_alive:
            self._runner.execute_in_background(self._runner.astop).result(_CANCEL_S)
        self._done.result(_CANCEL_S)


@contextmanager
def _signalled() -> Iterator[threading.Event]:
    """Yield an event that the first ending signal sets."""
    stop = threading.Event()
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in _SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _set_environment(api_url: str) -> None:
    """Let the processes of the runs report to the server, and log what a person wants to read."""
    os.environ["PREFECT_API_URL"] = api_url
    os.environ["PREFECT_LOGGING_LEVEL"] = _LEVEL
    os.environ["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] = str(HEARTBEAT_S)
