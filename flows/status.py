"""Publish what a collection holds, as a flow for the Prefect UI and schedules."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from prefect import flow

from crossmodal.views.status import status_grids
from flows.params.asking import StatusParams
from tasks.status import publish_status, read_status


@flow(name="status-report", flow_run_name="{params.collection_name}: status")
def report_status(params: StatusParams) -> dict[str, Any]:
    """Say what a collection holds, by model version, and how its last runs went."""
    found = read_status(params.collection)
    publish_status(found, status_grids(found))
    return asdict(found)
