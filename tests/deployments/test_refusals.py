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
    """Yield what a caller does: ask for a run and name some values."""
    collection = tmp_path_factory.mktemp("refusals") / "refusals.duckdb"
    with (
        temporary_settings({PREFECT_API_URL: prefect_server}),
        get_client(sync_client=True) as client,
    ):
        deploy(make_target(["/photos"], str(collection), None, None, "crossmodal"))

        def ask(flow: str, changes: dict[str, Any]) -> httpx.Response:
            found = client.read_deployment_by_name(f"{flow}/refusals")
            body = {"parameters": changes, "state": {"type": "SCHEDULED"}}
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
        ("index", {"collection": "photos.duckdb"}, "does not match"),
        ("index", {"params": {"paths": ["/photos"]}}, "Additional properties are not allowed"),
        ("index", {"bathc_size": 8}, "Additional properties are not allowed"),
        ("backfill", {"partition_by": "week"}, "not one of"),
        ("backfill", {"max_parallel": 0}, "less than the minimum of 1"),
        ("backfill", {"everything": True}, "Additional properties are not allowed"),
        ("backfill", {"since": "31.1.2024"}, "since"),
        ("backfill", {"until": "2024-13-01"}, "until"),
        ("search", {"text": "a", "k": 100_000}, "greater than the maximum of 1000"),
        ("search", {}, "'image' is a required property"),
        ("search", {"text": ""}, "'image' is a required property"),
        ("search", {"text": "a", "image": "/a.png"}, "image"),
        ("search", {"text": "a", "where": ["=red"]}, "does not match"),
        ("search", {"text": "a", "where": ["path<"]}, "does not match"),
        ("search", {"text": "a", "where": ["a car"]}, "does not match"),
        ("evaluate", {}, "'set_path' is a required property"),
        ("evaluate", {"set_path": "/a.csv", "depth": 5}, "less than the minimum of 10"),
        ("status-report", {"model": "clip"}, "Additional properties are not allowed"),
    ],
)
def test_wrong_value_is_refused(
    trigger: Trigger, flow: str, changes: dict[str, Any], said: str
) -> None:
    answer = trigger(flow, changes)
    assert answer.status_code == 409
    assert said in answer.text


@pytest.mark.parametrize(
    ("flow", "changes"),
    [
        ("index", {}),
        ("index", {"collection": "~/photos.duckdb"}),
        ("backfill", {}),
        ("backfill", {"since": "2024-01-31", "until": None}),
        ("search", {"text": "a car"}),
        ("search", {"image": "/a.png", "text": ""}),
        ("search", {"text": "a", "where": ["Path=*.jpg", " date >= 2024-01-31", "size>100kB"]}),
        ("evaluate", {"set_path": "/a.csv", "gates": ["* mAP >= -0.01"]}),
        ("status-report", {}),
    ],
)
def test_right_value_is_taken(trigger: Trigger, flow: str, changes: dict[str, Any]) -> None:
    answer = trigger(flow, changes)
    assert answer.status_code == 201, answer.text
