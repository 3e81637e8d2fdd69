"""Give each test a site that works, a folder of pictures and a collection of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.automations import crash_silent_runs
from tests.drawn import draw_pictures
from tests.operation.ledger import Ledger
from tests.operation.site import FlowRun, Site, running_site

NUM_PICTURES = 150
SHARD_SIZE = 3
"""Small shards make a long run of a small model: one is in flight at any moment."""


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(running: Site) -> Site:
    """Return the site with its worker at work, whatever the test before did to it."""
    running.start_worker()
    return running


@pytest.fixture
def heartbeat_automation(site: Site) -> Iterator[timedelta]:
    """Let the server crash runs whose heartbeat stops; return how long it waits."""
    silence = timedelta(seconds=70)
    with temporary_settings({PREFECT_API_URL: site.url}):
        automation = crash_silent_runs(silence).create()
        yield silence
        automation.delete()


@pytest.fixture(scope="session")
def many_pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("many") / "pictures"
    draw_pictures(folder, NUM_PICTURES)
    return folder


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "photos.duckdb")


@pytest.fixture
def deployment(site: Site, request: pytest.FixtureRequest) -> Iterator[str]:
    """Return a deployment of this test's own; its schedules end with the test."""
    made = site.deploy(request.node.name[:80], tags=["crossmodal"])
    yield made
    site.patch(f"/deployments/{made}", {"paused": True})


@pytest.fixture
def index(
    site: Site, deployment: str, ledger: Ledger, many_pictures: Path, tiny_clip: Path
) -> Callable[..., FlowRun]:
    """Return a function that triggers an index run into the test's collection."""

    def trigger(**changes: Any) -> FlowRun:
        params = index_params(ledger, many_pictures, tiny_clip) | changes
        return site.trigger(deployment, **params)

    return trigger


def index_params(ledger: Ledger, pictures: Path, model: Path) -> dict[str, Any]:
    return {
        "collection": str(ledger.path),
        "paths": [str(pictures)],
        "model": str(model),
        "shard_size": SHARD_SIZE,
    }
