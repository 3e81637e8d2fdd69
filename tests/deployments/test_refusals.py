"""Wrong values are refused by the server, with 409, before any run is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from prefect.client.orchestration import get_client
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.deploy import deploy
from deployments.target import make_target
from tests.api import Api

Trigger = Callable[[str, dict[str, Any]], httpx.Response]


@pytest.fixture(scope="module")
def trigger(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trigger]:
    """Yield what the run form does: ask for a run with the default values and some changes."""
    collection = tmp_path_factory.mktemp("refusals") / "refusals.duckdb"
    with (
        temporary_settings({PREFECT_API_URL: prefect_server}),
        get_client(sync_client=True) as client,
    ):
        deploy(make_target(["/photos"], str(collection), None, None, "crossmodal"))

        def ask(flow: str, changes: dict[str, Any]) -> httpx.Response:
            found = client.read_deployment_by_name(f"{flow}/refusals")
            params = found.parameters["params"] | changes
            body = {"parameters": {"params": params}, "state": {"type": "SCHEDULED"}}
            return Api(prefect_server).ask("POST", f"/deployments/{found.id}/create_flow_run", body)

        yield ask


@pytest.mark.parametrize(
    ("flow", "changes", "said"),
    [
        ("index", {"batch_size": -1}, "less than the minimum of 0"),
        ("index", {"min_coverage": 1.5}, "greater than the maximum of 1"),
        ("index", {"device": "tpu"}, "not one of"),
        ("index", {"paths": []}, "paths"),
        ("index", {"paths": "/photos"}, "not of type 'array'"),
        ("index", {"collection": ""}, "collection"),
        ("index", {"bathc_size": 8}, "Additional properties are not allowed"),
        ("backfill", {"partition_by": "week"}, "not one of"),
        ("backfill", {"max_parallel": 0}, "less than the minimum of 1"),
        ("backfill", {"everything": True}, "Additional properties are not allowed"),
        ("search", {"k": 100_000}, "greater than the maximum of 1000"),
        ("status-report", {"model": "clip"}, "Additional properties are not allowed"),
    ],
)
def test_wrong_value_is_refused(
    trigger: Trigger, flow: str, changes: dict[str, Any], said: str
) -> None:
    answer = trigger(flow, changes)
    assert answer.status_code == 409
    assert said in answer.text


def test_default_values_are_taken(trigger: Trigger) -> None:
    for flow in ("index", "backfill", "search", "status-report"):
        assert trigger(flow, {}).status_code == 201, flow
