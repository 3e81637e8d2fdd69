"""`crossmodal deploy` against a real server: what is there then, and what a second call does."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings

from crossmodal.errors import DeploymentError
from deployments.changes import Change
from deployments.declared import PREFECT_FILE, variables
from deployments.deploy import deploy
from deployments.target import Target, make_target
from tests.shell import CROSSMODAL

FLOWS = (
    "index",
    "backfill",
    "backfill-partition",
    "moderate",
    "search",
    "ask",
    "evaluate",
    "finetune",
    "distil",
    "promote",
    "publish",
    "recommend",
    "status-report",
)


def actions(changes: list[Change], kind: str) -> set[str]:
    return {change.action for change in changes if change.kind == kind}


def read(client: SyncPrefectClient, target: Target) -> dict[str, DeploymentResponse]:
    return {flow: client.read_deployment_by_name(f"{flow}/{target.name}") for flow in FLOWS}


def switches(found: DeploymentResponse) -> dict[str | None, bool]:
    return {schedule.slug: schedule.active for schedule in found.schedules}


def test_every_flow_becomes_a_deployment_that_refuses_unknown_parameters(
    client: SyncPrefectClient, target: Target
) -> None:
    assert actions(deploy(target), "deployment") == {"created"}
    for found in read(client, target).values():
        assert found.enforce_parameter_schema
        assert found.work_pool_name == "crossmodal"
        assert found.description
        assert "crossmodal" in found.tags


def test_each_deployment_says_what_it_does_and_for_which_collection(
    client: SyncPrefectClient, target: Target
) -> None:
    assert client.api_healthcheck() is None
    made = [c for c in deploy(target, dry_run=True) if c.kind == "deployment"]
    for change in made:
        assert change.name.endswith(f"/{target.name}")
        assert 20 < len(change.does) < 90, change
        assert change.does[-1] in ".:", change
        assert change.does.split()[0].endswith("s"), "a sentence about the deployment"
    assert len({change.does for change in made}) == len(made)


def test_second_deploy_changes_nothing(client: SyncPrefectClient, target: Target) -> None:
    deploy(target)
    before = {flow: found.updated for flow, found in read(client, target).items()}
    changes = deploy(target)
    assert {change.action for change in changes} == {"unchanged"}
    assert {flow: found.updated for flow, found in read(client, target).items()} == before


def test_only_what_differs_is_updated(client: SyncPrefectClient, target: Target) -> None:
    deploy(target)
    changes = deploy(replace(target, paths=["/other"]))
    updated = {change.name.split("/")[0] for change in changes if change.action == "updated"}
    assert updated == {"index", "backfill", "backfill-partition"}
    params = read(client, target)["index"].parameters
    assert params["paths"] == ["/other"]


def test_index_runs_nightly_and_one_at_a_time(client: SyncPrefectClient, target: Target) -> None:
    deploy(target)
    found = read(client, target)
    assert switches(found["index"]) == {"nightly": True, "hourly": False}
    for flow in ("index", "backfill"):
        limit = found[flow].global_concurrency_limit
        assert limit is not None
        assert limit.limit == 1
    assert found["backfill-partition"].global_concurrency_limit is None


def test_schedule_switched_on_in_the_ui_stays_on(client: SyncPrefectClient, target: Target) -> None:
    deploy(target)
    found = read(client, target)["index"]
    hourly = next(schedule for schedule in found.schedules if schedule.slug == "hourly")
    client.update_deployment_schedule(found.id, hourly.id, active=True)
    deploy(replace(target, paths=["/other"]))
    assert switches(read(client, target)["index"]) == {"nightly": True, "hourly": True}


def alerts(client: SyncPrefectClient) -> list[Any]:
    """Return the alert's block and automation as the server holds them: others may have both."""
    automations = client.read_automations_by_name("crossmodal: tell of failed runs")
    try:
        return [*automations, client.read_block_document_by_name("crossmodal-alert", "webhook")]
    except ObjectNotFound:
        return automations


def test_dry_run_says_what_would_change_and_changes_nothing(
    client: SyncPrefectClient, target: Target
) -> None:
    before = alerts(client)
    changes = deploy(target, "http://127.0.0.1:9/alerts", dry_run=True)
    assert actions(changes, "deployment") == {"created"}
    with pytest.raises(ObjectNotFound):
        client.read_deployment_by_name(f"index/{target.name}")
    assert alerts(client) == before
    deploy(target)
    assert actions(deploy(target, dry_run=True), "deployment") == {"unchanged"}
    assert actions(deploy(replace(target, paths=["/b"]), dry_run=True), "deployment") == {
        "updated",
        "unchanged",
    }
    assert read(client, target)["index"].parameters["paths"] == target.paths


def test_index_runs_when_a_person_says(client: SyncPrefectClient, target: Target) -> None:
    deploy(replace(target, schedule="30 5 * * 1"))
    schedules = {s.slug: s.schedule for s in read(client, target)["index"].schedules}
    assert schedules["nightly"].cron == "30 5 * * 1"
    with pytest.raises(DeploymentError, match="'at five' is no schedule"):
        deploy(replace(target, schedule="at five"))


def test_nothing_depends_on_the_directory_of_the_deployer(
    client: SyncPrefectClient, target: Target
) -> None:
    deploy(target)
    for found in read(client, target).values():
        assert not found.pull_steps
        assert found.path is None
        assert ":" not in str(found.entrypoint)


def test_relative_paths_become_absolute_and_urls_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = make_target(["photos", "s3://b/x", "~/p"], "a.duckdb", "openai/clip", None, "pool")
    assert made.paths == [str(tmp_path / "photos"), "s3://b/x", str(Path.home() / "p")]
    assert made.collection == str(tmp_path / "a.duckdb")
    assert made.model == "openai/clip"
    assert made.name == "a"


def test_other_collection_of_the_same_name_is_refused(
    client: SyncPrefectClient, target: Target
) -> None:
    deploy(target)
    with pytest.raises(DeploymentError, match="--name"):
        deploy(replace(target, collection="/elsewhere/photos.duckdb"))


def test_prefect_deploy_of_the_same_file_agrees(
    client: SyncPrefectClient, prefect_server: str, target: Target
) -> None:
    single = replace(target, paths=target.paths[:1])
    deploy(single)
    ours = read(client, single)
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    subprocess.run(
        [*command, "--prefect-file", str(PREFECT_FILE)],
        env=os.environ | variables(single) | {"PREFECT_API_URL": prefect_server},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    theirs = read(client, single)
    for flow in FLOWS:
        assert essence(theirs[flow]) == essence(ours[flow])


def essence(found: DeploymentResponse) -> dict[str, Any]:
    """Return what a deployment does, without the stamps of who made it and when."""
    plain = found.model_dump(mode="json", warnings=False)
    ignored = {"updated", "version", "version_id", "version_info", "schedules", "pull_steps"}
    # Only our own command adds what Prefect cannot read off a signature.
    for rule in ("additionalProperties", "if", "then", "else"):
        plain["parameter_openapi_schema"].pop(rule, None)
    fields = plain["parameter_openapi_schema"]["properties"]
    fields["collection"].pop("pattern", None)
    # A field that the collection remembers has no default; Prefect's own command writes null.
    fields |= {
        name: {k: v for k, v in field.items() if v is not None} for name, field in fields.items()
    }
    schedules = {s.slug: (s.schedule.model_dump(mode="json"), s.active) for s in found.schedules}
    return {k: v for k, v in plain.items() if k not in ignored} | {"schedules": schedules}


def test_without_a_server_the_message_says_what_to_do(target: Target) -> None:
    with (
        temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}),
        pytest.raises(DeploymentError, match="prefect server start"),
    ):
        deploy(target)


def test_without_a_configured_server_the_command_names_serve(tmp_path: Path) -> None:
    unset = {k: v for k, v in os.environ.items() if k != "PREFECT_API_URL"}
    done = subprocess.run(
        [CROSSMODAL, "deploy", "photos"],
        cwd=tmp_path,
        env=unset | {"PREFECT_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "crossmodal serve" in done.stderr


def test_a_store_that_is_named_is_kept_in_step_every_night(
    client: SyncPrefectClient, target: Target
) -> None:
    deploy(target)
    assert switches(read(client, target)["publish"]) == {"publish": False}
    with_store = replace(target, publish_to="lance:///srv/photos")
    deploy(with_store)
    found = read(client, target)["publish"]
    assert found.parameters["to"] == "lance:///srv/photos"
    assert switches(found) == {"publish": True}
    client.update_deployment_schedule(found.id, found.schedules[0].id, active=False)
    deploy(with_store)
    assert switches(read(client, target)["publish"]) == {"publish": False}
