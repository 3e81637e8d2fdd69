"""The review queue over HTTP: findings by number, acts that the log keeps, nothing as markup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from crossmodal.web.app import make_app
from crossmodal.web.settings import UiSettings
from tests.moderation.world import World, make_world, policy
from tests.web.conftest import HOME

QUEUE = "/api/v1/review"
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = make_world(tmp_path / "made.duckdb")
    world.add(*[i / 200 - 0.15 for i in range(57)], 0.9, 0.92, 0.94, text=HOSTILE)
    world.moderate(policy(**{"fear wolves": HOSTILE}))
    return world


@pytest.fixture
def asked(world: World) -> Iterator[TestClient]:
    settings = UiSettings(collection=str(world.collection.path), rate_per_s=1e6, burst=1e6)
    app = make_app(replace(settings, lock_wait_s=30.0))
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        yield client


def act(client: TestClient, number: int, event: str, **more: Any) -> Any:
    return client.post(f"{QUEUE}/{number}", json={"event": event, "actor": "Ann", **more})


def test_a_finding_is_taken_decided_undone_and_appealed(asked: TestClient) -> None:
    assert asked.get(QUEUE).json()["counts"][0]["num_findings"] == 3
    item = asked.post(f"{QUEUE}/next", json={"actor": "Ann"}).json()["item"]
    other = asked.post(f"{QUEUE}/next", json={"actor": "Bob"}).json()["item"]
    assert item["finding_id"] != other["finding_id"]
    held = act(asked, other["finding_id"], "decide", decision="allowed")
    assert (held.status_code, held.json()["error"]) == (409, "held_by_another")
    number = item["finding_id"]
    decided = act(asked, number, "decide", decision="violates", reason="A wolf.").json()
    assert (decided["state"], decided["log"][0]["reason"]) == ("violates", "A wolf.")
    assert act(asked, number, "undo").json()["state"] == "open"
    act(asked, number, "decide", decision="violates")
    assert act(asked, number, "appeal").json()["appeal"] == "open"
    assert act(asked, number, "overturn").json()["state"] == "allowed"
    assert len(asked.get(f"{QUEUE}/{number}").json()["log"]) == 5


def test_what_cannot_be_done_is_told_with_its_status(asked: TestClient) -> None:
    assert act(asked, 99, "undo").json()["error"] == "no_such_finding"
    assert asked.get(f"{QUEUE}/99").status_code == 404
    assert act(asked, 1, "undo").status_code == 409
    assert act(asked, 1, "decide").status_code == 422
    assert asked.post(f"{QUEUE}/next", json={"actor": "  "}).status_code == 422
    other_site = {"Sec-Fetch-Site": "cross-site"}
    assert asked.post(f"{QUEUE}/next", json={"actor": "A"}, headers=other_site).status_code == 403


def test_page_and_items_come_under_a_policy_that_runs_no_markup(asked: TestClient) -> None:
    page = asked.get("/review")
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    item = asked.get(QUEUE).json()["findings"][0]
    assert item["evidence"]["text"] == HOSTILE
    assert HOSTILE in item["policy_text"]
    assert asked.get(QUEUE).headers["X-Content-Type-Options"] == "nosniff"


def test_a_collection_that_is_not_there_is_not_made_by_a_reviewer(tmp_path: Path) -> None:
    missing = tmp_path / "none.duckdb"
    app = make_app(UiSettings(collection=str(missing)))
    with TestClient(app, base_url=HOME, raise_server_exceptions=False) as client:
        answer = client.post(f"{QUEUE}/next", json={"actor": "Ann"})
    assert answer.json()["error"] == "collection_missing"
    assert not missing.exists()
