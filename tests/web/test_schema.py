"""Fuzz every operation that the API describes: no answer may be a bug or an undescribed one."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from starlette.testclient import TestClient

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
CHECKS = pytest.importorskip("schemathesis.checks").CHECKS

SCHEMA = "/api/v1/openapi.json"
# By how much of each can be said wrong; each asks a real collection.
NUM_EXAMPLES = {
    "GET /api/v1/search": 14,
    "GET /api/v1/ask": 6,
    "POST /api/v1/search": 8,
    "POST /api/v1/search/batch": 8,
    "GET /api/v1/similar/{chunk_id}": 10,
    "GET /api/v1/chunk/{chunk_id}": 10,
    "GET /api/v1/thumbnail/{chunk_id}": 12,
    "GET /api/v1/why/{chunk_id}": 6,
    "GET /api/v1/source/{chunk_id}": 12,
    "GET /api/v1/status": 2,
    "GET /api/v1/map": 2,
    "GET /api/v1/models": 2,
    "GET /api/v1/lineage": 2,
    "GET /api/v1/runs": 4,
    "POST /api/v1/recommend": 8,
    "POST /api/v1/judgements": 6,
    "GET /api/v1/review": 6,
    "POST /api/v1/review/next": 6,
    "GET /api/v1/review/{finding_id}": 6,
    "POST /api/v1/review/{finding_id}": 8,
    "GET /health/live": 2,
    "GET /health/ready": 2,
    "GET /metrics": 2,
}


CHECK_NAMES = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]


def send(client: TestClient, case: Any) -> httpx.Response:
    sent = case.as_transport_kwargs(base_url="http://localhost")
    body = {"json": sent["json"]} if sent.get("json") is not None else {"content": sent.get("data")}
    return client.request(
        sent["method"],
        sent["url"],
        params=sent.get("params"),
        headers=dict(sent.get("headers") or {}),
        **body,
    )


def operation_of(client: TestClient, label: str) -> Any:
    method, _, path = label.partition(" ")
    return schemathesis.openapi.from_dict(client.get(SCHEMA).json())[path][method]


def test_every_described_operation_is_fuzzed(client: TestClient) -> None:
    described = client.get(SCHEMA).json()["paths"]
    labels = {f"{m.upper()} {path}" for path, methods in described.items() for m in methods}
    assert labels == set(NUM_EXAMPLES)


@pytest.mark.parametrize("mode", ["positive", "negative"])
@pytest.mark.parametrize("label", NUM_EXAMPLES)
def test_answers_are_as_described_whatever_is_asked(
    client: TestClient, label: str, mode: str
) -> None:
    operation = operation_of(client, label)
    wrong = schemathesis.GenerationMode(mode)
    if mode == "negative" and not (operation.query or operation.path_parameters):
        return  # it takes nothing that could be wrong
    wanted = CHECKS.get_by_names(CHECK_NAMES)

    @settings(
        max_examples=NUM_EXAMPLES[label],
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(wrong))
    def hold(case: Any) -> None:
        case.validate_response(send(client, case), checks=wanted)

    hold()
