"""Read the log of a run from the server as Prefect's UI does, while the run goes."""

from __future__ import annotations

from typing import Any

from tests.api import Api
from tests.waiting import PATIENCE_S, eventually


def log_of(api: Api, flow_run_id: str) -> str:
    """Return the lines that the server has by now."""
    wanted = {"logs": {"flow_run_id": {"any_": [flow_run_id]}}, "sort": "TIMESTAMP_ASC"}
    found: list[dict[str, Any]] = api.post("/logs/filter", wanted)
    return "\n".join(line["message"] for line in found)


def while_it_goes(api: Api, flow_run_id: str, line: str) -> str:
    """Return the log once it has the line, and assert that the run is under way even then."""

    def read() -> str | None:
        text = log_of(api, flow_run_id)
        return text if line in text else None

    text = eventually(read, PATIENCE_S, f"a log with {line!r}")
    state = api.get(f"/flow_runs/{flow_run_id}")["state_type"]
    assert state == "RUNNING", f"{state}: the line came only when the run was over"
    return text
