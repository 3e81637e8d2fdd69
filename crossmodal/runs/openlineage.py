"""Tell OpenLineage of runs: an event as one begins, and one as it completes, fails or is stopped.

What is told is which paths a run read and which collection it wrote, never what is in them; no
address keeps its secrets. Off unless the standard variables say where events go, and nothing is
imported then. A place that is away, slow or refuses costs two seconds at most and never a run.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from crossmodal.files.read import is_remote
from crossmodal.files.secrets import without_secrets

_VARIABLES = ("OPENLINEAGE_URL", "OPENLINEAGE_CONFIG")
_TRANSPORT = "OPENLINEAGE__TRANSPORT__"
_READ = ("paths", "pairs")
_PRODUCER = "https://pypi.org/project/crossmodal/"
_SEND_S = 2.0
# The client would look for a repository around and name its remote, which may hold a token.
_NO_REPOSITORY = {"facets": {"source_code_location": {"disabled": True}}}

EventState = Literal["START", "COMPLETE", "FAIL", "ABORT"]
STATES: Mapping[str, EventState] = {
    "completed": "COMPLETE",
    "failed": "FAIL",
    "interrupted": "ABORT",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageEvent:
    """Say what happened to a run."""

    state: EventState
    run_id: str
    flow: str
    collection: Path
    params: Mapping[str, Any]
    message: str = ""
    num_embedded: int | None = None


def is_asked_for(environment: Mapping[str, str] = os.environ) -> bool:
    """Say whether events go anywhere."""
    if environment.get("OPENLINEAGE_DISABLED", "").lower() == "true":
        return False
    named = any(environment.get(name) for name in _VARIABLES)
    return named or any(name.upper().startswith(_TRANSPORT) for name in environment)


def send(event: LineageEvent) -> str:
    """Send an event; return why that was not done, or nothing.

    Waits for two seconds at most.
    """
    try:
        from openlineage.client import OpenLineageClient
    except ImportError:
        return "lineage events need crossmodal[lineage]: pip install 'crossmodal[lineage]'"
    problems: list[str] = []

    def emit() -> None:
        try:
            with_config: dict[str, Any] = dict(_NO_REPOSITORY)
            OpenLineageClient(config=with_config).emit(made(event))
        except Exception as error:  # whatever a transport raises: it costs the event, not the run
            problems.append(f"{type(error).__name__}: the lineage event {event.state} was dropped")

    sending = threading.Thread(target=emit, name="send lineage", daemon=True)
    sending.start()
    sending.join(_SEND_S)
    if sending.is_alive():
        return f"the place of lineage events takes too long: {event.state} was dropped"
    return "".join(problems)


def made(event: LineageEvent) -> Any:
    """Return an event as the client's own value."""
    from openlineage.client import event_v2
    from openlineage.client.facet_v2 import error_message_run
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    facets: dict[str, Any] = {}
    if event.message:
        facets["errorMessage"] = error_message_run.ErrorMessageRunFacet(event.message, "PYTHON")
    written: dict[str, Any] = {}
    if event.num_embedded is not None:
        rows = statistics.OutputStatisticsOutputDatasetFacet(rowCount=event.num_embedded)
        written["outputStatistics"] = rows
    namespace, name = dataset_of(str(event.collection))
    return event_v2.RunEvent(
        eventType=event_v2.RunState[event.state],
        eventTime=datetime.now(UTC).isoformat(),
        producer=_PRODUCER,
        run=event_v2.Run(runId=str(uuid.UUID(event.run_id)), facets=facets),
        job=event_v2.Job(namespace="crossmodal", name=f"{event.collection.stem}.{event.flow}"),
        inputs=[event_v2.InputDataset(*dataset_of(path)) for path in _read(event.params)],
        outputs=[event_v2.OutputDataset(namespace, name, outputFacets=written)],
    )


def dataset_of(path: str) -> tuple[str, str]:
    """Return namespace and name of a path or URL as OpenLineage names data, without secrets."""
    if not is_remote(path):
        return "file", os.path.abspath(os.path.expanduser(path))
    parts = urlsplit(without_secrets(path))
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}", parts.path.lstrip("/") or "/"


def _read(params: Mapping[str, Any]) -> Sequence[str]:
    found: list[str] = []
    for name in _READ:
        given = params.get(name) or []
        found += [given] if isinstance(given, str) else [str(path) for path in given]
    return list(dict.fromkeys(found))
