"""A guard for the installed stack: releases of the server's own dependencies have broken schedules.

With fastapi 0.165 the server does not even import; with SQLAlchemy 2.1 it runs, but its scheduler
inserts nothing, and no test of a flow would notice.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.schedules import IntervalSchedule

from crossmodal.ledger.collection import Collection
from deployments.declared import declared
from deployments.deploy import deploy
from deployments.target import Target
from tests.waiting import PATIENCE_S, end

pytestmark = pytest.mark.process

TIMEOUT_S = 2 * PATIENCE_S


@pytest.fixture
def target(target: Target) -> Target:
    """Return a target whose pool holds no run of another test."""
    return replace(target, pool="stack")


@pytest.fixture
def worker(
    prefect_server: str, target: Target, tmp_path: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Deploy, and run a process worker on the pool that this makes, one run at a time."""
    deploy(target)
    command = ["worker", "start", "--pool", target.pool, "--limit", "1"]
    settings = {"PREFECT_API_URL": prefect_server, "PREFECT_WORKER_QUERY_SECONDS": "1"}
    with (tmp_path / "worker.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", *command],
            env=os.environ | settings,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        yield process
        end(process)


def test_server_imports() -> None:
    assert importlib.import_module("prefect.server.api.server").create_app


def test_scheduled_run_appears_and_completes(
    client: SyncPrefectClient, target: Target, worker: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    with Collection(target.collection).write():
        pass
    report = next(made for made in declared(target) if made.flow_name == "status-report")
    often = IntervalSchedule(interval=timedelta(seconds=10))
    report.apply(schedules=[{"schedule": often, "slug": "often"}])
    run = wait_for_scheduled_run(client, f"status-report/{target.name}", worker)
    assert run.state_name == "Completed", (tmp_path / "worker.log").read_text()


def wait_for_scheduled_run(
    client: SyncPrefectClient, name: str, worker: subprocess.Popen[bytes]
) -> FlowRun:
    """Return the first run that the scheduler made and that has ended; then stop the schedule."""
    deployment = client.read_deployment_by_name(name)
    deadline = time.monotonic() + TIMEOUT_S
    try:
        while time.monotonic() < deadline and worker.poll() is None:
            runs = client.read_flow_runs(
                deployment_filter=DeploymentFilter(id={"any_": [deployment.id]}),
                flow_run_filter=FlowRunFilter(state={"type": {"any_": ["COMPLETED", "FAILED"]}}),
            )
            if any(run.auto_scheduled for run in runs):
                return next(run for run in runs if run.auto_scheduled)
            time.sleep(0.5)
    finally:
        client.pause_deployment(deployment.id)
    pytest.fail(f"no scheduled run of {name} ended in {TIMEOUT_S:g} s")
