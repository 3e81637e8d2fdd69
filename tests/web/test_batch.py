"""Many queries in one request: the same answers, within bounds, and charged one by one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.web.test_access import Open

BATCH = "/api/v1/search/batch"
TEXTS = ["a red square", "a boat", "quarterly figures"]


def post(client: TestClient, content: bytes, **params: Any) -> Any:
    headers = {"Content-Type": "application/json"}
    return client.post(BATCH, params=params, content=content, headers=headers)


def batch(*texts: str) -> bytes:
    return json.dumps({"queries": texts}).encode()


def test_a_batch_gets_the_answers_that_each_query_gets_alone(client: TestClient) -> None:
    together = post(client, batch(*TEXTS), k=5).json()["answers"]
    assert len(together) == len(TEXTS)
    for text, found in zip(TEXTS, together, strict=True):
        alone = client.get("/api/v1/search", params={"q": text, "k": 5}).json()
        assert [h["chunk_id"] for h in found["hits"]] == [h["chunk_id"] for h in alone["hits"]]
        assert found["next_offset"] == alone["next_offset"]


@pytest.mark.parametrize(
    ("content", "status", "error"),
    [
        (b"", 400, "empty"),
        (b"[]", 422, "bad_request"),
        (b'{"queries": []}', 422, "bad_request"),
        (b'{"queries": [" "]}', 422, "bad_request"),
        (b'{"queries": ["a"], "device": "cuda"}', 422, "bad_request"),
        (b"\xff\xfe", 422, "bad_request"),
        (batch(*["a"] * 257), 422, "bad_request"),
        (batch("a" * 2001), 422, "bad_request"),
        (batch(*["a"] * 100), 422, "too_many_hits"),
        (b" " * 1_000_001, 413, "too_large"),
    ],
)
def test_a_batch_out_of_bounds_is_refused(
    client: TestClient, content: bytes, status: int, error: str
) -> None:
    refused = post(client, content, k=60)
    assert (refused.status_code, refused.json()["error"]) == (status, error)


def test_a_batch_of_another_type_is_refused(client: TestClient) -> None:
    refused = client.post(BATCH, content=batch("a"), headers={"Content-Type": "image/png"})
    assert (refused.status_code, refused.json()["error"]) == (415, "no_json")


def test_each_query_of_a_batch_counts_as_a_request(open_client: Open) -> None:
    client = open_client(rate_per_s=0.001, burst=10)
    assert post(client, batch(*["a"] * 8)).status_code != 429
    assert client.get("/nothing").status_code == 404
    refused = post(client, batch("a", "b"))
    assert (refused.status_code, refused.json()["error"]) == (429, "too_many_requests")
