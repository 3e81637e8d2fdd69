"""Tell Prefect's automations what a run found out about its collection."""

from __future__ import annotations

from typing import Any

from prefect.events import emit_event

from crossmodal.runs.run import Run


def tell(run: Run, event: str, payload: dict[str, Any]) -> None:
    """Emit an event about a run's collection; its payload also names the run and the file."""
    emit_event(
        event,
        resource={
            "prefect.resource.id": f"crossmodal.collection.{run.collection.path}",
            "prefect.resource.name": run.collection.path.stem,
        },
        payload={"run_id": run.id, "collection": str(run.collection.path), **payload},
    )
