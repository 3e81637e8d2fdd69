"""Let runs be late, workers be away and collections grow old: each reaches a real HTTP server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.automations import alerts
from tests.alerts import Posts, listening, wait_for
from tests.operation.ledger import Ledger
from tests.operation.site import FlowRun, Site

pytestmark = pytest.mark.operation

STALE = timedelta(seconds=40)
"""In place of 26 hours."""


@pytest.fixture
def posts(site: Site) -> Iterator[Posts]:
    with listening() as (url, posts), temporary_settings({PREFECT_API_URL: site.url}):
        automations = alerts(url)
        for automation in automations:
            if "stale" in automation.name:
                automation.trigger.within = STALE
            automation.create()
        yield posts
        for automation in automations:
            automation.delete()


def told(posts: Posts, event: str) -> dict[str, Any]:
    return wait_for(posts, lambda post: post["event"] == event)


def in_any_order(posts: Posts, *events: str) -> list[dict[str, Any]]:
    """Return a post of each event, however they come."""
    found: dict[str, dict[str, Any]] = {}
    while len(found) < len(events):
        post = wait_for(posts, lambda post: post["event"] in set(events) - set(found))
        found[post["event"]] = post
    return [found[event] for event in events]


def test_late_run_missing_worker_and_stale_collection_are_told_of(
    site: Site, posts: Posts, index: Callable[..., FlowRun], ledger: Ledger
) -> None:
    ui = site.url.removesuffix("/api")
    first = index()
    assert first.ended() == "COMPLETED"
    stale = told(posts, "crossmodal.run.completed")
    assert stale["collection"] == str(ledger.path)
    assert stale["message"].startswith("no run has succeeded for 26 hours")
    assert stale["url"].startswith(ui)
    assert stale["url"].endswith(first.id)

    site.stop_worker()
    waiting = index()
    late, away = in_any_order(posts, "prefect.flow-run.Late", "prefect.work-pool.not-ready")
    assert late["collection"] == str(ledger.path)
    assert late["message"].endswith("is late; is a worker running?")
    assert late["url"].startswith(ui)
    assert late["url"].endswith(waiting.id)
    assert away["message"] == "no worker asks for runs of operation"
    assert away["url"].startswith(f"{ui}/work-pools/work-pool/")
