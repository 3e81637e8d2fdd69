"""Run a Prefect server, a process worker and one deployment as an operator would, and break them.

Everything is a real process and every wish goes through the server's API, as the UI's do.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployments.server import OUTLIVED
from tests.api import Api
from tests.waiting import PATIENCE_S, end, eventually, free_port

ROOT = Path(__file__).parents[2]
POOL = "operation"
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass
class Site:
    """One machine on which everything of Prefect's lives below ``home``."""

    home: Path
    port: int = 0
    server: subprocess.Popen[bytes] | None = None
    worker: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        return os.environ | {
            "PREFECT_HOME": str(self.home),
            "PREFECT_API_URL": self.url,
            "PREFECT_UI_URL": self.url.removesuffix("/api"),
            **OUTLIVED,
            "PREFECT_WORKER_HEARTBEAT_SECONDS": "5",
            "PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "5",
            "PREFECT_WORKER_QUERY_SECONDS": "2",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "5",
            "PREFECT_SERVER_SERVICES_LATE_RUNS_LOOP_SECONDS": "2",
            "PREFECT_SERVER_SERVICES_CANCELLATION_CLEANUP_LOOP_SECONDS": "1",
        }

    def start_server(self) -> None:
        arguments = ("server", "start", "--port", str(self.port))
        self.server = self._spawn("server", *arguments)
        eventually(self._healthy, PATIENCE_S, "a healthy Prefect server")

    def stop_server(self) -> None:
        assert self.server
        end(self.server)

    def lose_server(self) -> None:
        """Let the server end without a word, as its machine would."""
        assert self.server
        end(self.server, grace_s=0)

    def start_worker(self) -> None:
        """Start the worker unless it runs."""
        if self.worker is None or self.worker.poll() is not None:
            arguments = ("worker", "start", "--pool", POOL, "--type", "process")
            self.worker = self._spawn("worker", *arguments)

    def stop_worker(self) -> None:
        if self.worker:
            end(self.worker)

    def stop(self) -> None:
        for process in (self.worker, self.server):
            if process:
                end(process)

    def deploy(self, name: str, flow_name: str = "index", **settings: Any) -> str:
        """Deploy a flow, by default index, and return the deployment's id."""
        flow = self.post("/flows/", {"name": flow_name})
        settings = {
            "concurrency_limit": 1,
            "concurrency_options": {"collision_strategy": "ENQUEUE"},
            **settings,
        }
        pull = {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
        deployment = self.post(
            "/deployments/",
            {
                "name": name,
                "flow_id": flow["id"],
                "entrypoint": "flows.index.index",
                "pull_steps": [pull],
                "work_pool_name": POOL,
                "enforce_parameter_schema": False,
                **settings,
            },
        )
        return str(deployment["id"])

    def trigger(self, deployment: str, **params: Any) -> FlowRun:
        """Ask for a run, as the UI's button does."""
        body = {"parameters": params, "state": {"type": "SCHEDULED"}}
        run = self.post(f"/deployments/{deployment}/create_flow_run", body)
        return FlowRun(self, run["id"])

    def runs_of(self, deployment: str) -> list[dict[str, Any]]:
        body = {"deployments": {"id": {"any_": [deployment]}}, "sort": "START_TIME_ASC"}
        return list(self.post("/flow_runs/filter", body))

    def states_of(self, run: FlowRun) -> list[tuple[str, str]]:
        """Return when each state of a run began, in order, and its name."""
        found = self.get(f"/flow_run_states/?flow_run_id={run.id}")
        return sorted((state["timestamp"], state["name"]) for state in found)

    def events(self, name: str) -> list[dict[str, Any]]:
        body = {"filter": {"event": {"name": [name]}}}
        return list(self.post("/events/filter", body)["events"])

    def artifacts(self, flow_run: str) -> dict[str, dict[str, Any]]:
        body = {"artifacts": {"flow_run_id": {"any_": [flow_run]}}}
        return {found["key"]: found for found in self.post("/artifacts/filter", body)}

    def get(self, path: str) -> Any:
        return self.api.get(path)

    def post(self, path: str, body: Any) -> Any:
        return self.api.post(path, body)

    def patch(self, path: str, body: Any) -> None:
        self.api.patch(path, body)

    @property
    def api(self) -> Api:
        return Api(self.url)

    def _healthy(self) -> bool:
        assert self.server
        assert self.server.poll() is None, (self.home / "server.log").read_text()
        return self.api.is_healthy

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{name}.log").open("a") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "prefect", *arguments],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )


@dataclass(frozen=True)
class FlowRun:
    """Follow one flow run through the server."""

    site: Site
    id: str

    @property
    def state(self) -> str:
        return str(self.site.get(f"/flow_runs/{self.id}")["state"]["type"])

    @property
    def message(self) -> str:
        return str(self.site.get(f"/flow_runs/{self.id}")["state"]["message"])

    def cancel(self) -> None:
        """Press the UI's cancel button."""
        body = {"state": {"type": "CANCELLING", "name": "Cancelling"}}
        self.site.post(f"/flow_runs/{self.id}/set_state", body)

    def ended(self, timeout_s: float = PATIENCE_S) -> str:
        """Wait for the end and return the state."""
        return eventually(
            lambda: self.state if self.state in ENDED else None, timeout_s, f"end of {self.id}"
        )


@contextmanager
def running_site(home: Path) -> Iterator[Site]:
    site = Site(home)
    try:
        site.start_server()
        site.post("/work_pools/", {"name": POOL, "type": "process"})
        yield site
    finally:
        site.stop()
