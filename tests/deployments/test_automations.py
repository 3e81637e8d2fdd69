"""The automations against a real server: an alert reaches a real HTTP server with the numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateType
from prefect.events import Event, Resource
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    temporary_settings,
)

from crossmodal.errors import CrossmodalError
from deployments.deploy import deploy, put_automations
from deployments.target import Target
from flows.index import index
from flows.search import search
from flows.status import report_status
from tests.alerts import Posts, listening, wait_for
from tests.api import Api
from tests.shell import Shell
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.process


@pytest.fixture
def quick_flows(prefect_server: str) -> Iterator[None]:
    """Let flows that are called here report to the server, without the second of a heartbeat."""
    quick = {PREFECT_API_URL: prefect_server, PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}
    with temporary_settings(quick):
        yield


@pytest.fixture
def posts(prefect_server: str, client: SyncPrefectClient) -> Iterator[Posts]:
    """Return what the alerts post once they do; afterwards they are gone."""
    with listening() as (url, posts):
        put_automations(url)
        provoke(lambda: emit_failure(prefect_server), posts, "crossmodal.run.failed")
        yield posts
        for automation in client.read_automations_by_name("crossmodal: tell of failed runs"):
            client.delete_automation(automation.id)
        for automation in client.read_automations_by_name("crossmodal: tell of crashed runs"):
            client.delete_automation(automation.id)


def emit_failure(server: str) -> None:
    """Send the last word of a failed run that never was."""
    event = Event(
        event="crossmodal.run.failed",
        resource=Resource({"prefect.resource.id": "crossmodal.collection.none"}),
        payload={"collection": "none"},
    )
    Api(server).post("/events", [event.model_dump(mode="json")])


def provoke(act: Callable[[], object], posts: Posts, event: str) -> dict[str, Any]:
    """Act again and again until such an event is posted: a new automation misses the first ones."""

    def posted() -> dict[str, Any] | None:
        act()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            with suppress(Empty):
                post = posts.get(timeout=1)
                if post["event"] == event:
                    return post
        return None

    return eventually(posted, PATIENCE_S, f"a post of {event}")


def test_run_below_its_coverage_gate_posts_its_numbers(
    posts: Posts, shell: Callable[..., Shell], pictures: Path, tiny_clip: Path
) -> None:
    for number in range(8):
        (pictures / f"broken{number}.jpg").write_bytes(b"\xff\xd8\xff not a photo %d" % number)
    collection = shell()
    collection.run("index", pictures, "--model", tiny_clip, expect=1)
    post = wait_for(posts, lambda post: post.get("collection") == str(collection.collection))
    assert post["event"] == "crossmodal.run.failed"
    assert post["run"]["num_embedded"] == 12
    assert post["run"]["coverage"] == pytest.approx(12 / 20)
    assert "12 of 20" in post["message"]


def told(posts: Posts, flow: str, collection: Path) -> dict[str, Any]:
    """Return what is posted of a flow that failed without a run in the ledger."""
    post = wait_for(posts, lambda post: post.get("collection") == str(collection))
    assert post["event"] == "crossmodal.run.failed"
    assert post["run"]["flow"] == flow
    assert post["run"]["flow_run_id"]
    return post


def test_run_that_fails_before_it_opens_is_posted(
    posts: Posts, tmp_path: Path, quick_flows: None
) -> None:
    collection = tmp_path / "no folder" / "a.duckdb"
    collection.parent.write_text("a file")
    with pytest.raises(CrossmodalError) as failed:
        index(collection=str(collection), paths=[str(tmp_path)])
    assert str(failed.value) in told(posts, "index", collection)["message"]


def test_search_and_status_of_no_collection_are_posted(
    posts: Posts, tmp_path: Path, quick_flows: None
) -> None:
    for flow, call in (
        ("search", lambda c: search(collection=c, text="a duck")),
        ("status-report", lambda c: report_status(collection=c)),
    ):
        collection = tmp_path / f"{flow}.duckdb"
        with pytest.raises(CrossmodalError) as failed:
            call(str(collection))
        assert str(failed.value) in told(posts, flow, collection)["message"]


def test_crashed_run_posts_its_name_and_id(
    posts: Posts, client: SyncPrefectClient, target: Target
) -> None:
    deploy(target)
    deployment = client.read_deployment_by_name(f"index/{target.name}")
    run = client.create_flow_run_from_deployment(deployment.id, name="lost")
    crashed = State(type=StateType.CRASHED, name="Crashed")
    post = provoke(
        lambda: client.set_flow_run_state(run.id, crashed, force=True),
        posts,
        "prefect.flow-run.Crashed",
    )
    assert post["collection"] == target.collection
    assert post["message"] == "lost crashed: nobody knows why"
    assert post["flow_run"] == "lost"
    assert post["flow_run_id"] == str(run.id)


def test_event_that_files_have_changed_starts_the_index(
    prefect_server: str, client: SyncPrefectClient, target: Target
) -> None:
    deploy(target)
    found = client.read_deployment_by_name(f"index/{target.name}")
    (automation,) = client.read_automations_by_name(
        f"crossmodal: index {target.name} when files change"
    )

    def started() -> list[Any]:
        Api(prefect_server).post(
            "/events",
            [
                Event(
                    event="crossmodal.files.changed",
                    resource=Resource(
                        {"prefect.resource.id": f"crossmodal.collection.{target.collection}"}
                    ),
                ).model_dump(mode="json")
            ],
        )
        runs = Api(prefect_server).post(
            "/flow_runs/filter",
            {"flow_runs": {"deployment_id": {"any_": [str(found.id)]}}},
        )
        return [run for run in runs if run["auto_scheduled"] is False]

    try:
        run = eventually(started, PATIENCE_S, "a run that the event started", 0.5)[0]
    finally:
        client.delete_automation(automation.id)
    assert run["parameters"]["paths"] == target.paths
