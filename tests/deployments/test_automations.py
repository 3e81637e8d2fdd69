"""The automations against a real server: an alert reaches a real HTTP server with the numbers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateType
from prefect.events import Event, Resource

from deployments.deploy import deploy, put_automations
from deployments.target import Target
from tests.api import Api
from tests.shell import Shell
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.process
Posts = Queue[dict[str, Any]]


@contextmanager
def listening() -> Iterator[tuple[str, Posts]]:
    """Yield the URL of an HTTP server and the JSON bodies that are posted to it."""
    posts: Posts = Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            posts.put(json.loads(body))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/alerts", posts
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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


def wait_for(posts: Posts, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(Empty):
            post = posts.get(timeout=1)
            if wanted(post):
                return post
    pytest.fail("nothing of the kind was posted")


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
    assert "12 of 20" in post["run"]["message"]


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
    assert post["flow_run"] == "lost"
    assert post["flow_run_id"] == str(run.id)
