"""Let several runs want the same collection, or the same worker, at the same time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import pytest

from tests.operation.conftest import NUM_PICTURES, index_params
from tests.operation.ledger import Ledger
from tests.operation.site import FlowRun, Site
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.operation


def test_missed_schedules_all_run_but_only_the_first_embeds(
    site: Site, ledger: Ledger, pictures: Path, tiny_clip: Path
) -> None:
    site.stop_worker()
    now = datetime.now(UTC)
    schedule = {"interval": 20, "anchor_date": (now - timedelta(days=1)).isoformat()}
    deployment = site.deploy(
        "missed",
        parameters=index_params(ledger, pictures, tiny_clip),
        schedules=[{"schedule": schedule, "active": True}],
    )

    def late() -> list[str]:
        runs = site.runs_of(deployment)
        return [run["id"] for run in runs if run["state"]["name"] == "Late"]

    missed = eventually(lambda: late() if len(late()) >= 3 else None, PATIENCE_S, "three late runs")
    # Due runs stay when a schedule ends; those of the future go.
    site.patch(f"/deployments/{deployment}", {"schedules": []})
    site.start_worker()
    for run_id in missed:
        assert FlowRun(site, run_id).ended(2 * PATIENCE_S) == "COMPLETED"
    first, *others = (site.get(f"/flow_runs/{run_id}") for run_id in _by_start(site, missed))
    assert ledger.embedded[0] == 12
    assert set(ledger.embedded[1:]) == {0}
    times_s = [run["total_run_time"] for run in others]
    assert median(times_s) < first["total_run_time"], "only the first loads a model"
    ledger.check()


def test_second_run_of_a_deployment_waits_for_the_first(
    site: Site, index: Callable[..., FlowRun], ledger: Ledger
) -> None:
    first, second = index(), index()
    assert [first.ended(), second.ended()] == ["COMPLETED", "COMPLETED"]
    one, other = ledger.runs
    assert one.finished_at < other.started_at
    assert ledger.embedded == [NUM_PICTURES, 0]


def test_two_deployments_share_the_work_on_one_collection(
    site: Site,
    index: Callable[..., FlowRun],
    ledger: Ledger,
    many_pictures: Path,
    tiny_clip: Path,
) -> None:
    other = site.deploy("another index")
    first = index()
    ledger.wait_for_vectors()
    second = site.trigger(other, **index_params(ledger, many_pictures, tiny_clip))
    assert [first.ended(), second.ended()] == ["COMPLETED", "COMPLETED"]
    one, two = ledger.runs
    assert two.started_at < one.finished_at, "they did not run at the same time"
    assert ledger.num_vectors == NUM_PICTURES
    assert NUM_PICTURES <= sum(ledger.embedded) < 2 * NUM_PICTURES
    ledger.check()


def test_two_collections_are_indexed_at_once(
    site: Site,
    index: Callable[..., FlowRun],
    ledger: Ledger,
    tmp_path: Path,
    many_pictures: Path,
    tiny_clip: Path,
) -> None:
    other_ledger = Ledger(tmp_path / "other.duckdb")
    other = site.deploy("another collection")
    runs = [index(), site.trigger(other, **index_params(other_ledger, many_pictures, tiny_clip))]
    assert [run.ended() for run in runs] == ["COMPLETED", "COMPLETED"]
    for each in (ledger, other_ledger):
        each.check()
        assert each.embedded == [NUM_PICTURES]
    (one,), (two,) = ledger.runs, other_ledger.runs
    assert two.started_at < one.finished_at
    assert one.started_at < two.finished_at
    keys = [set(site.artifacts(run.id)) for run in runs]
    assert "index-report-photos" in keys[0]
    assert "index-report-other" in keys[1]


def _by_start(site: Site, run_ids: list[str]) -> list[str]:
    return sorted(run_ids, key=lambda run_id: site.get(f"/flow_runs/{run_id}")["start_time"])
