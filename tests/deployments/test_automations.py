"""The automations against a real server: an alert reaches a real HTTP server with the numbers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import State, StateType

from deployments.deploy import deploy, put_automations
from deployments.target import Target
from tests.shell import Shell

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
def posts(client: SyncPrefectClient) -> Iterator[Posts]:
    """Return what the alerts post; afterwards they are gone, and so is nobody else's peace."""
    with listening() as (url, posts):
        put_automations(url)
        time.sleep(2)  # the server reads its automations again once a second
        yield posts
        for automation in client.read_automations_by_name("crossmodal: tell of failed runs"):
            client.delete_automation(automation.id)
        for automation in client.read_automations_by_name("crossmodal: tell of crashed runs"):
            client.delete_automation(automation.id)


def wait_for(posts: Posts, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            post = posts.get(timeout=1)
        except Empty:
            continue
        if wanted(post):
            return post
    pytest.fail("nothing was posted in a minute")


def test_run_below_its_coverage_gate_posts_its_numbers(
    posts: Posts, shell: Callable[..., Shell], pictures: Path, tiny_clip: Path
) -> None:
    for number in range(4):
        (pictures / f"broken{number}.jpg").write_bytes(b"\xff\xd8\xff not a photo %d" % number)
    collection = shell()
    collection.run("index", pictures, "--model", tiny_clip, expect=1)
    post = wait_for(posts, lambda post: post["event"] == "crossmodal.run.failed")
    assert post["collection"] == str(collection.collection)
    assert post["run"]["num_embedded"] == 12
    assert post["run"]["coverage"] == pytest.approx(12 / 16)
    assert "12 of 16" in post["run"]["message"]


def test_crashed_run_posts_its_name_and_id(
    posts: Posts, client: SyncPrefectClient, target: Target
) -> None:
    deploy(target)
    deployment = client.read_deployment_by_name(f"index/{target.name}")
    run = client.create_flow_run_from_deployment(deployment.id, name="lost")
    client.set_flow_run_state(run.id, State(type=StateType.CRASHED, name="Crashed"), force=True)
    post = wait_for(posts, lambda post: post["event"] == "prefect.flow-run.Crashed")
    assert post["flow_run"] == "lost"
    assert post["flow_run_id"] == str(run.id)
