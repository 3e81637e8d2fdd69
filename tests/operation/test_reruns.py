"""Let runs crash where nobody is there to see it: the server runs them again, but not for ever."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments.reruns import TAG, rerun_crashed
from tests.operation.site import FlowRun, Site
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.operation

GRACE = timedelta(seconds=10)
START = timedelta(seconds=60)
RENEWAL_S = 225
"""When a run renews its hold on a limit for the first time: three quarters of 300 s."""


@pytest.fixture
def reruns(site: Site) -> Iterator[None]:
    with temporary_settings({PREFECT_API_URL: site.url}):
        automations = [made.create() for made in rerun_crashed(GRACE, START)]
        yield
        for automation in automations:
            automation.delete()


def states_of(site: Site, run: FlowRun) -> list[str]:
    return [name for _, name in site.states_of(run)]


def deploy(site: Site, name: str, flow: str) -> str:
    return site.deploy(name, flow, entrypoint=f"tests.operation.doomed.{flow}", tags=[TAG])


@pytest.mark.usefixtures("reruns")
def test_run_that_always_dies_is_tried_three_times_more_and_then_left(site: Site) -> None:
    run = site.trigger(deploy(site, "always dies", "doomed"))
    eventually(
        lambda: states_of(site, run).count("Lost") == 4, 2 * PATIENCE_S, "the fourth crash", 1
    )
    time.sleep(2 * GRACE.total_seconds())
    states = states_of(site, run)
    assert states.count("Running") == 4
    assert [name for name in states if name.startswith("Rerun")] == [
        f"Rerun {number} of 3" for number in (1, 2, 3)
    ]
    assert run.state == "CRASHED"


@pytest.mark.usefixtures("reruns")
def test_run_whose_process_never_began_is_run_again(site: Site) -> None:
    site.stop_worker()
    run = site.trigger(deploy(site, "never began", "patient"), seconds=0)
    site.post(f"/flow_runs/{run.id}/set_state", {"state": {"type": "PENDING", "name": "Pending"}})
    eventually(lambda: "Rerun 1 of 3" in states_of(site, run), PATIENCE_S, "a rerun", 1)
    site.start_worker()
    eventually(lambda: run.state == "COMPLETED", PATIENCE_S, f"completion of {run.id}")


@pytest.mark.usefixtures("reruns")
def test_cancelled_run_stays_cancelled(site: Site) -> None:
    run = site.trigger(deploy(site, "cancelled", "patient"), seconds=300)
    eventually(lambda: run.state == "RUNNING", PATIENCE_S, "a run")
    run.cancel()
    eventually(lambda: run.state == "CANCELLED", PATIENCE_S, "state Cancelled")
    time.sleep(2 * GRACE.total_seconds())
    assert run.state == "CANCELLED"


def test_limited_run_renews_its_hold_after_a_restart_of_the_server(site: Site) -> None:
    """With leases in memory it is Crashed 225 s after its start, by 410 Gone."""
    run = site.trigger(deploy(site, "renewal", "patient"), seconds=RENEWAL_S + 20)
    eventually(lambda: run.state == "RUNNING", PATIENCE_S, "a run")
    time.sleep(5)
    site.stop_server()
    site.start_server()
    assert run.ended(RENEWAL_S + PATIENCE_S) == "COMPLETED", run.message
