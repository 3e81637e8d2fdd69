"""Bring a Prefect server in step with what is declared: work pool, deployments, automations.

Reads before it writes, so a second call changes nothing: schedules keep their upcoming runs, and
what a person switched on or off in the UI stays as it is.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import ObjectNotFound
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.settings import PREFECT_API_URL

from crossmodal.errors import DeploymentError
from deployments.automations import alerts, crash_silent_runs, index_on_event
from deployments.changes import Change, first_line
from deployments.declared import declared
from deployments.pool import DEFAULT_QUEUE, put_pool
from deployments.reruns import rerun_crashed
from deployments.target import Target
from flows.params.flat import deployment_schema

if TYPE_CHECKING:
    from prefect.automations import Automation
    from prefect.client.schemas.responses import DeploymentResponse
    from prefect.deployments.runner import RunnerDeployment


def deploy(target: Target, alert_url: str | None = None, *, dry_run: bool = False) -> list[Change]:
    """Create or update everything for the target; return what that changed.

    A dry run changes nothing and returns what would change.

    Raises:
        DeploymentError: no server, or the name already serves another collection.
    """
    url = _configured_server()
    with get_client(sync_client=True) as client:
        _require_answer(client, url)
        changes = put_pool(client, target, dry_run=dry_run)
        changes += [_put_deployment(client, wanted, dry_run) for wanted in declared(target)]
        changes.append(_put_automation(client, _start_of(client, target), dry_run))
    return changes + put_automations(alert_url, dry_run=dry_run)


def put_automations(alert_url: str | None, *, dry_run: bool = False) -> list[Change]:
    """Create or update what the server does by itself; alerts only where there is a URL."""
    told = alerts(alert_url, dry_run=dry_run) if alert_url else []
    automations = [crash_silent_runs(), *rerun_crashed(), *told]
    with get_client(sync_client=True) as client:
        return [_put_automation(client, wanted, dry_run) for wanted in automations]


def _configured_server() -> str:
    """Return the server's URL; where none is set, a client would start a server of its own."""
    url: str | None = PREFECT_API_URL.value()
    if not url:
        raise DeploymentError(
            "no Prefect server is configured: set PREFECT_API_URL=http://HOST:4200/api, "
            "or run everything on this machine with `crossmodal serve PATH...`"
        )
    return url


def _require_answer(client: SyncPrefectClient, url: str) -> None:
    if error := client.api_healthcheck():
        raise DeploymentError(
            f"no Prefect server answers at {url} ({error}): start it with "
            "`prefect server start`, or correct PREFECT_API_URL"
        )


def _start_of(client: SyncPrefectClient, target: Target) -> Automation:
    """Return what starts the index of a target whose files have changed."""
    try:
        found = client.read_deployment_by_name(f"index/{target.name}").id
    except ObjectNotFound:  # before the first deploy, of which this is a dry run
        found = uuid4()
    return index_on_event(found, target.name, target.collection)


def _put_deployment(client: SyncPrefectClient, wanted: RunnerDeployment, dry_run: bool) -> Change:
    change = partial(Change, "deployment", wanted.full_name, does=first_line(wanted.description))
    try:
        found = client.read_deployment_by_name(wanted.full_name)
    except ObjectNotFound:
        if not dry_run:
            wanted.apply()
        return change("created")
    _refuse_other_collection(wanted, found)
    _keep_switches(wanted, found)
    if _as_wanted(wanted) == _as_found(found):
        return change("unchanged")
    if not dry_run:
        wanted.apply()
    return change("updated")


def _refuse_other_collection(wanted: RunnerDeployment, found: DeploymentResponse) -> None:
    """Keep two collections of one file name apart."""
    ours, theirs = (_collection(given.parameters) for given in (wanted, found))
    if theirs not in (ours, None):
        raise DeploymentError(
            f"{wanted.full_name} already serves {theirs}, not {ours}: give these deployments "
            "another name with --name"
        )


def _collection(parameters: dict[str, Any]) -> str | None:
    # Before parameters were flat, one of them held the others.
    given = parameters.get("params") or parameters
    collection: str | None = given.get("collection")
    return collection


def _keep_switches(wanted: RunnerDeployment, found: DeploymentResponse) -> None:
    """Leave each schedule as active as a person made it, but for one that had no store yet."""
    if wanted.parameters.get("to") and not found.parameters.get("to"):
        return
    switches = {schedule.slug: schedule.active for schedule in found.schedules}
    for schedule in wanted.schedules or []:
        schedule.active = switches.get(schedule.slug, schedule.active)


def _as_wanted(wanted: RunnerDeployment) -> dict[str, Any]:
    """Return what a deployment asks for, under the names of :func:`_as_found`."""
    return {
        "version": wanted.version,
        "description": wanted.description,
        "tags": wanted.tags,
        "parameters": wanted.parameters,
        "enforced": wanted.enforce_parameter_schema,
        "schema": _schema_of(wanted),
        "entrypoint": wanted.entrypoint,
        "pool": wanted.work_pool_name,
        "queue": wanted.work_queue_name or DEFAULT_QUEUE,
        "job_variables": wanted.job_variables,
        "limit": wanted.concurrency_limit,
        "collisions": wanted.concurrency_options,
        "schedules": _by_slug(wanted.schedules),
    }


def _as_found(found: DeploymentResponse) -> dict[str, Any]:
    limit = found.global_concurrency_limit
    return {
        "version": found.version,
        "description": found.description,
        "tags": found.tags,
        "parameters": found.parameters,
        "enforced": found.enforce_parameter_schema,
        "schema": found.parameter_openapi_schema,
        "entrypoint": found.entrypoint,
        "pool": found.work_pool_name,
        "queue": found.work_queue_name,
        "job_variables": found.job_variables,
        "limit": limit.limit if limit else None,
        "collisions": found.concurrency_options,
        "schedules": _by_slug(found.schedules),
    }


def _schema_of(wanted: RunnerDeployment) -> dict[str, Any]:
    flow: Flow[..., Any] = load_flow_from_entrypoint(str(wanted.entrypoint))
    return deployment_schema(flow).model_dump(exclude_unset=True)


def _by_slug(schedules: Any) -> dict[str, Any]:
    return {
        schedule.slug: (schedule.schedule.model_dump(mode="json"), schedule.active)
        for schedule in schedules or []
    }


def _put_automation(client: SyncPrefectClient, wanted: Automation, dry_run: bool) -> Change:
    change = partial(Change, "automation", wanted.name, does=first_line(wanted.description))
    known = client.read_automations_by_name(wanted.name)
    if not known:
        if not dry_run:
            wanted.create()
        return change("created")
    found = known[0]
    wanted.id, wanted.enabled = found.id, found.enabled
    if _rules(wanted) == _rules(found):
        return change("unchanged")
    if not dry_run:
        wanted.update()
    return change("updated")


def _rules(automation: Any) -> dict[str, Any]:
    # As Python values: a set of events is not the same list in every process.
    rules: dict[str, Any] = automation.model_dump(include={"description", "trigger", "actions"})
    rules["trigger"].pop("id", None)
    return rules
