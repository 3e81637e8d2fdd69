"""What a run shows on a real Prefect server: its name, its artifacts, its last word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossmodal.errors import CoverageTooLow, ParametersError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import runs
from crossmodal.ledger.write.runs import RunRecord
from crossmodal.runs.profiles import load_profile
from flows.index import index
from tests.api import Api
from tests.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    return tmp_path / "My Photos.duckdb"


def run_index(collection: Path, pictures: Path, **changes: Any) -> Any:
    return index(collection=str(collection), paths=[str(pictures)], **changes)


def last_run(collection: Path) -> RunRecord:
    with Collection(collection).read() as con:
        return runs.list_runs(con, 1)[0]


def ask(url: str, path: str, **body: Any) -> Any:
    return Api(url).post(path, body)


def artifacts(url: str, flow_run_id: str | None) -> dict[str, dict[str, Any]]:
    found = ask(url, "/artifacts/filter", artifacts={"flow_run_id": {"any_": [flow_run_id]}})
    return {artifact["key"]: artifact for artifact in found}


def last_word(url: str, collection: Path, name: str) -> dict[str, Any]:
    """Wait for the event that a run on this collection sent; it travels behind the run's back."""
    event = {"name": [name]}
    resource = {"id": [f"crossmodal.collection.{collection}"]}

    def seen() -> list[dict[str, Any]]:
        return ask(url, "/events/filter", filter={"event": event, "resource": resource})["events"]

    return dict(eventually(seen, PATIENCE_S, f"an event {name}")[0])


def test_run_shows_plan_progress_stages_quarantine_and_report(
    prefect_server: str, collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    run_index(collection, pictures, model=str(tiny_clip), min_coverage=0.5)
    shown = artifacts(prefect_server, last_run(collection).flow_run_id)
    assert set(shown) == {
        f"index-{what}-my-photos"
        for what in ("plan", "progress", "health", "quarantine", "report", "stages")
    }
    assert "to embed: 13 files" in shown["index-plan-my-photos"]["data"]
    assert shown["index-progress-my-photos"]["data"] == 100
    assert "12 pictures measured" in shown["index-health-my-photos"]["data"]
    assert "embedding: 13 of about 13 chunks" in shown["index-progress-my-photos"]["description"]
    assert "data:image/png;base64," in shown["index-stages-my-photos"]["data"]
    assert "broken.jpg" in shown["index-quarantine-my-photos"]["data"]
    assert "12 of 13 planned" in shown["index-report-my-photos"]["data"]


def test_second_run_is_compared_with_the_first(
    prefect_server: str, collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    run_index(collection, pictures, model=str(tiny_clip))
    first = last_run(collection)
    run_index(collection, pictures)
    shown = artifacts(prefect_server, last_run(collection).flow_run_id)
    assert f"beside run {first.run_id[:8]}" in shown["index-comparison-my-photos"]["data"]


def test_dry_run_shows_its_plan_and_nothing_else(
    prefect_server: str, collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    state = run_index(collection, pictures, model=str(tiny_clip), dry_run=True, return_state=True)
    flow_run_id = str(state.state_details.flow_run_id)
    keys = set(artifacts(prefect_server, flow_run_id))
    assert keys - {"index-progress-my-photos"} == {"index-plan-my-photos"}
    assert not collection.exists()


def test_run_is_named_after_what_it_does_and_found_from_the_ledger(
    prefect_server: str, collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    run_index(collection, pictures, model=str(tiny_clip))
    flow_run_id = last_run(collection).flow_run_id
    found = Api(prefect_server).get(f"/flow_runs/{flow_run_id}")
    assert found["name"] == "My Photos: index pictures"


def test_run_below_its_gate_tells_automations_its_numbers(
    prefect_server: str, collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    (pictures / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    with pytest.raises(CoverageTooLow):
        run_index(collection, pictures, model=str(tiny_clip), min_coverage=1)
    event = last_word(prefect_server, collection, "crossmodal.run.failed")
    told = event["payload"]
    assert told["coverage"] == pytest.approx(12 / 13)
    assert told["quarantined"] == {"truncated": 1}
    assert told["run_id"] == last_run(collection).run_id
    assert told["message"].startswith("CoverageTooLow: 12 of 13 planned files got a vector")
    related = {found["prefect.resource.id"] for found in event["related"]}
    assert f"prefect.flow-run.{told['flow_run_id']}" in related


def test_run_that_fails_before_it_opens_is_told_of_too(
    prefect_server: str, collection: Path, pictures: Path
) -> None:
    with pytest.raises(ParametersError):
        run_index(collection, pictures, batch_size=-1)
    told = last_word(prefect_server, collection, "crossmodal.run.failed")["payload"]
    assert told["flow"] == "index"
    assert told["message"].startswith("ParametersError: batch_size")


def test_run_that_kept_its_promise_says_so(
    prefect_server: str, collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    run_index(collection, pictures, model=str(tiny_clip))
    told = last_word(prefect_server, collection, "crossmodal.run.completed")["payload"]
    assert (told["state"], told["num_embedded"], told["message"]) == ("completed", 12, "")


def test_run_that_cannot_begin_is_told_of_too(
    prefect_server: str, collection: Path, pictures: Path
) -> None:
    collection.write_bytes(b"not a database at all" * 1000)
    run_index(collection, pictures, return_state=True)
    told = last_word(prefect_server, collection, "crossmodal.run.failed")["payload"]
    assert "is not a DuckDB file" in told["message"]


def test_report_profile_and_status_tell_one_time_all_of_which_is_accounted_for(
    collection: Path, pictures: Path, tiny_clip: Path
) -> None:
    report = run_index(collection, pictures, model=str(tiny_clip))
    profile = load_profile(str(collection), None, None).profile
    run = last_run(collection)
    assert report["wall_s"] == report["profile"]["wall_s"] == profile.wall_s == run.wall_s
    names = {stage.name for stage in profile.stages}
    assert {"preview", "sample thumbnails", "report", "load model", "choose rules"} <= names
    assert sum(stage.wall_s for stage in profile.stages) + profile.between_s == pytest.approx(
        profile.wall_s, rel=0.05
    )
