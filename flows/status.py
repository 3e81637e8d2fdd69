"""Publish what a collection holds, as a flow for the Prefect UI and schedules."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from crossmodal.views.status import status_tables
from flows.params.asking import StatusParams
from flows.params.flat import form_flow
from tasks.status import publish_status, read_status


@form_flow("status-report", StatusParams)
def report_status(params: StatusParams) -> dict[str, Any]:
    """Say what a collection holds, by model version, and how its last runs went."""
    found = read_status(params.collection)
    publish_status(found, status_tables(found))
    return asdict(found)
