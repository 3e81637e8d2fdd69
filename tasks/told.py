"""Tell Prefect's automations of failures that no run in the ledger tells of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prefect.context import FlowRunContext
from prefect.events import emit_event
from prefect.runtime import flow_run

from crossmodal.runs.run import sentence


@contextmanager
def failures_told(flow: str, collection: object) -> Iterator[None]:
    """Emit ``crossmodal.run.failed`` for what fails within, unless that was done already.

    So a run that fails before it opens, a search and a status are told of like any other. Nothing
    is told of a flow's function that is called by itself.
    """
    try:
        yield
    except Exception as error:
        if not getattr(error, "is_told", False) and FlowRunContext.get() is not None:
            _emit(flow, str(collection or ""), sentence(error))
        raise


def _emit(flow: str, collection: str, message: str) -> None:
    emit_event(
        "crossmodal.run.failed",
        resource={
            "prefect.resource.id": f"crossmodal.collection.{collection or 'none'}",
            "prefect.resource.name": Path(collection).stem or "none",
        },
        payload={
            "flow": flow,
            "flow_run_id": flow_run.get_id(),
            "collection": collection,
            "state": "failed",
            "message": message,
            "url": flow_run.get_flow_run_ui_url(),
        },
    )
