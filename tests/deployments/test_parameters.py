"""Whoever starts a run of a deployment and names some parameters keeps what it holds of the others.

On a real server, by each of the ways that Prefect offers; no run is executed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import DeploymentFilter
from prefect.client.schemas.responses import DeploymentResponse
from prefect.deployments import run_deployment
from prefect.events import Event, EventTrigger, Posture, Resource
from prefect.events.actions import RunDeployment

from deployments.deploy import deploy
from deployments.target import Target
from tests.api import Api
from tests.waiting import PATIENCE_S, eventually

NAMED = {"paths": ["/elsewhere"], "shard_size": 7}


@pytest.fixture
def deployed(client: SyncPrefectClient, target: Target) -> DeploymentResponse:
    deploy(target)
    return client.read_deployment_by_name(f"index/{target.name}")


def started_run(client: SyncPrefectClient, deployed: DeploymentResponse) -> dict[str, Any]:
    """Return the parameters of the run that somebody started."""
    found = client.read_flow_runs(deployment_filter=DeploymentFilter(id={"any_": [deployed.id]}))
    started = [run for run in found if not run.auto_scheduled]
    return dict(started[0].parameters)


@pytest.fixture
def kept(client: SyncPrefectClient, deployed: DeploymentResponse) -> Callable[[], None]:
    """Return a check that a run has what was named, and the rest from its deployment."""

    def check() -> None:
        held = deployed.parameters
        assert held["collection"]
        assert held["model"]
        assert started_run(client, deployed) == held | NAMED

    return check


def test_command_line_keeps_what_it_does_not_name(
    prefect_server: str, target: Target, kept: Callable[[], None]
) -> None:
    named = [f"--param={name}={json.dumps(value)}" for name, value in NAMED.items()]
    subprocess.run(
        [sys.executable, "-m", "prefect", "deployment", "run", f"index/{target.name}", *named],
        env=os.environ | {"PREFECT_API_URL": prefect_server},
        check=True,
        capture_output=True,
    )
    kept()


def test_api_keeps_what_it_does_not_name(
    prefect_server: str, deployed: DeploymentResponse, kept: Callable[[], None]
) -> None:
    path = f"/deployments/{deployed.id}/create_flow_run"
    Api(prefect_server).post(path, {"parameters": NAMED})
    kept()


def test_run_deployment_keeps_what_it_does_not_name(
    target: Target, kept: Callable[[], None]
) -> None:
    run_deployment(f"index/{target.name}", parameters=NAMED, timeout=0)
    kept()


def test_automation_keeps_what_it_does_not_name(
    prefect_server: str,
    client: SyncPrefectClient,
    target: Target,
    deployed: DeploymentResponse,
    kept: Callable[[], None],
) -> None:
    event = f"files.arrived.{target.name}"
    automation = Automation(
        name=target.name,
        trigger=EventTrigger(expect={event}, posture=Posture.Reactive, threshold=1, within=0),
        actions=[RunDeployment(source="selected", deployment_id=deployed.id, parameters=NAMED)],
    ).create()

    def started() -> bool:
        # A new automation misses the first events.
        arrival = Event(event=event, resource=Resource({"prefect.resource.id": "files"}))
        Api(prefect_server).post("/events", [arrival.model_dump(mode="json")])
        where = DeploymentFilter(id={"any_": [deployed.id]})
        return any(not r.auto_scheduled for r in client.read_flow_runs(deployment_filter=where))

    try:
        eventually(started, PATIENCE_S, "a run by the automation", pause_s=5)
    finally:
        client.delete_automation(automation.id)
    kept()
