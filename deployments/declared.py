"""Read prefect.yaml for one target as deployments that Prefect's own client can apply or serve.

Owns the placeholders ``{{ $CROSSMODAL_... }}``; refuses to know a server. Invariant: what comes out
is what ``prefect deploy --all`` makes of the same file, but for several paths and a schema that
refuses more.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from importlib.metadata import version
from importlib.resources import files
from typing import Any

import yaml
from prefect.client.schemas.objects import ConcurrencyLimitConfig
from prefect.deployments.runner import RunnerDeployment
from prefect.flows import Flow, load_flow_from_entrypoint
from prefect.schedules import Cron, Interval, Schedule
from prefect.types.entrypoint import EntrypointType

from crossmodal.errors import DeploymentError
from deployments.target import Target
from flows.params.flat import deployment_schema

NIGHTLY = "nightly"
"""The schedule that a person may give another time."""
PUBLISH = "publish"
"""The schedule that is on where a store is named."""
PREFECT_FILE = files("deployments") / "prefect.yaml"
_PLACEHOLDER = re.compile(r"\{\{\s*\$(\w+)\s*\}\}")


def declared(target: Target) -> list[RunnerDeployment]:
    """Return the deployments of prefect.yaml for a worker of the target's pool."""
    return [_deployment(entry, target, entry["work_pool"]) for entry in _entries(target)]


def served(target: Target) -> list[RunnerDeployment]:
    """Return the same deployments for a process that runs them itself, without a pool."""
    return [_deployment(entry, target, {}) for entry in _entries(target)]


def _entries(target: Target) -> list[dict[str, Any]]:
    document = yaml.safe_load(PREFECT_FILE.read_text(encoding="utf-8"))
    filled: list[dict[str, Any]] = _fill(document["deployments"], variables(target))
    for schedule in (given for entry in filled for given in entry.get("schedules", [])):
        if target.schedule and schedule["slug"] == NIGHTLY:
            schedule["cron"] = target.schedule
        if schedule["slug"] == PUBLISH:
            schedule["active"] = bool(target.publish_to)
    return filled


def variables(target: Target) -> dict[str, str]:
    """Return what prefect.yaml's placeholders stand for; of the paths only the first."""
    return {
        "CROSSMODAL_NAME": target.name,
        "CROSSMODAL_COLLECTION": target.collection,
        "CROSSMODAL_PATHS": target.paths[0],
        "CROSSMODAL_MODEL": target.model or "",
        "CROSSMODAL_TEXT_MODEL": target.text_model or "",
        "CROSSMODAL_AUDIO_MODEL": target.audio_model or "",
        "CROSSMODAL_POOL": target.pool,
        "CROSSMODAL_PUBLISH_TO": target.publish_to or "",
    }


def _fill(node: Any, values: dict[str, str]) -> Any:
    """Replace the placeholders in every string of a parsed document."""
    if isinstance(node, dict):
        return {key: _fill(value, values) for key, value in node.items()}
    if isinstance(node, list):
        return [_fill(item, values) for item in node]
    if isinstance(node, str):
        return _PLACEHOLDER.sub(lambda found: values[found[1]], node)
    return node


def _deployment(
    entry: dict[str, Any], target: Target, work_pool: dict[str, Any]
) -> RunnerDeployment:
    limit = entry.get("concurrency_limit")
    parameters = entry["parameters"]
    if "paths" in parameters:
        parameters["paths"] = target.paths
    flow: Flow[..., Any] = load_flow_from_entrypoint(entry["entrypoint"])
    deployment = RunnerDeployment.from_flow(
        flow,
        name=entry["name"],
        version=version("crossmodal"),
        description=entry["description"].strip(),
        tags=entry["tags"],
        parameters=parameters,
        enforce_parameter_schema=entry["enforce_parameter_schema"],
        concurrency_limit=ConcurrencyLimitConfig(**limit) if limit else None,
        schedules=[_schedule(dict(given)) for given in entry.get("schedules", [])],
        work_pool_name=work_pool.get("name"),
        work_queue_name=work_pool.get("work_queue_name"),
        job_variables=work_pool.get("job_variables"),
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    # Of a flow made by with_options() Prefect would name the original.
    deployment.entrypoint = entry["entrypoint"]
    deployment._parameter_openapi_schema = deployment_schema(flow)
    return deployment


def _schedule(given: dict[str, Any]) -> Schedule:
    if "cron" in given:
        cron = given.pop("cron")
        try:
            return Cron(cron, **given)
        except ValueError:
            raise DeploymentError(
                f"{cron!r} is no schedule: write minute, hour, day, month and weekday, "
                "such as '0 3 * * *' for every night at three, UTC"
            ) from None
    anchor = datetime.fromisoformat(given.pop("anchor_date"))
    return Interval(timedelta(seconds=given.pop("interval")), anchor_date=anchor, **given)
