"""The page beside runs that write, and the process as a person starts and ends it."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import pytest
from starlette.testclient import TestClient

from crossmodal.ledger.lock import exclusive
from crossmodal.web.api.errors import ApiError
from crossmodal.web.app import make_app
from crossmodal.web.settings import UiSettings
from crossmodal.web.thread_pool import Pool
from tests.shell import Shell
from tests.waiting import eventually, free_port
from tests.web.conftest import HOME, Site, until_ready

API = "/api/v1"


def test_busy_collection_answers_503_soon_and_then_works_again(
    own_site: Site, open_client: Callable[..., TestClient]
) -> None:
    client = open_client(collection=str(own_site.collection), lock_wait_s=0.3)
    with client:
        with exclusive(own_site.collection, 10):
            refused = client.get(f"{API}/chunk/1")
        assert (refused.status_code, refused.json()["error"]) == (503, "collection_busy")
        assert int(refused.headers["retry-after"]) > 0
        assert client.get(f"{API}/status").status_code == 200


def test_page_waits_for_the_first_run(tmp_path: Path, site: Site) -> None:
    settings = UiSettings(collection=str(tmp_path / "none.duckdb"))
    with TestClient(make_app(settings), base_url=HOME) as client:
        refused = client.get(f"{API}/search", params={"q": "a"})
        assert (refused.status_code, refused.json()["error"]) == (503, "collection_missing")
        assert "crossmodal index" in refused.json()["detail"]
        assert client.get("/health/ready").status_code == 503
        assert client.get("/").status_code == 200
        assert client.get("/metrics").status_code == 200
        (tmp_path / "none.duckdb").write_bytes(site.collection.read_bytes())
        assert client.get(f"{API}/status").json()["num_sources"] > 0


def test_more_work_than_can_wait_is_sent_away() -> None:
    async def crowd() -> list[object]:
        pool = Pool(1, max_waiting=1, max_wait_s=0.2)
        outcomes: list[object] = []

        async def ask() -> None:
            try:
                outcomes.append(await pool.run(lambda: time.sleep(0.6) or "done"))
            except ApiError as error:
                outcomes.append(error.status)

        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask)
        return outcomes

    assert anyio.run(crowd) == [503, 503, "done"]


@contextmanager
def running(site: Site, *options: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    port = free_port()
    process = site.shell.start("ui", "--port", port, "--no-token", *options)
    address = f"http://127.0.0.1:{port}"

    def lives() -> bool:
        assert process.poll() is None, process.communicate()
        try:
            return httpx.get(f"{address}/health/live", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        eventually(lives, 60, "a page that answers", 0.05)
        yield address, process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.process
@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_process_within_seconds_and_without_complaint(
    site: Site, ending: signal.Signals
) -> None:
    with running(site) as (address, process):
        if ending == signal.SIGTERM:  # the other one ends it while the model loads
            with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
                until_ready(client)
                assert client.get(f"{API}/search", params={"q": "a disc"}).json()["hits"]
        process.send_signal(ending)
        started = time.monotonic()
        out, err = process.communicate(timeout=20)
        assert time.monotonic() - started < 15
    assert (process.returncode, err) == (0, "")
    assert address in out


@pytest.mark.process
def test_search_in_flight_is_answered_before_the_process_ends(own_site: Site) -> None:
    with running(own_site) as (address, process):
        with exclusive(own_site.collection, 10):
            asking = subprocess.Popen(
                ["curl", "-s", "-m", "30", f"{address}{API}/chunk/1"], stdout=subprocess.PIPE
            )
            time.sleep(0.7)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.7)
            assert process.poll() is None
        body, _ = asking.communicate(timeout=30)
        process.communicate(timeout=20)
    assert b'"chunk_id":1' in body
    assert process.returncode == 0


@pytest.mark.process
def test_page_is_opened_by_the_link_that_is_printed(own_site: Site) -> None:
    shell = Shell(own_site.collection, own_site.shell.environment)
    port = free_port()
    process = shell.start("ui", "--port", port)
    try:
        assert process.stdout is not None
        found = re.search(r"http://127[^ ]+", process.stdout.readline())
        assert found
        link = found[0]
        assert link.startswith(f"http://127.0.0.1:{port}/?token=")
        with httpx.Client(trust_env=False, follow_redirects=True, timeout=60) as client:
            page = f"http://127.0.0.1:{port}/"
            assert eventually(lambda: client.get(page).status_code == 401, 60, "a page", 0.1)
            assert client.get(link).status_code == client.get(page).status_code == 200
    finally:
        process.kill()
        process.communicate()


@pytest.mark.process
def test_open_network_and_taken_port_are_refused_in_words(site: Site, tmp_path: Path) -> None:
    shell = Shell(tmp_path / "none.duckdb", site.shell.environment)
    refused = shell.run("ui", "--host", "0.0.0.0", expect=1)
    assert "CROSSMODAL_UI_TOKEN" in refused.stderr
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        said = shell.run("ui", "--port", taken.getsockname()[1], expect=1).stderr
    assert "--port" in said
    assert "Traceback" not in said
