"""Work pools: templates that Prefect's own schemas take, a limit, and a queue that goes first."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from deployments.deploy import deploy
from deployments.pool import SEARCHES, put_pool, template
from deployments.target import PoolType, Target

KINDS = [kind for kind in get_args(PoolType) if kind != "process"]


def prefects_own(kind: str) -> dict[str, Any]:
    """Return the template that Prefect ships for a kind of pool."""
    views = files("prefect.server.api.collections_data") / "views"
    known = json.loads((views / "aggregate-worker-metadata.json").read_text())
    (found,) = (types[kind] for types in known.values() if kind in types)
    return dict(found["default_base_job_configuration"])


@pytest.fixture
def pool(client: SyncPrefectClient, target: Target) -> Iterator[Target]:
    """Return a target whose pool is of this test's own and gone afterwards."""
    own = replace(target, pool=f"pool {target.name}", name=f"pooled {target.name}")
    yield own
    with suppress(ObjectNotFound):
        client.delete_work_pool(own.pool)


@pytest.mark.parametrize("kind", KINDS)
def test_template_is_prefects_own_with_our_defaults(kind: PoolType) -> None:
    ours, theirs = template(kind), prefects_own(kind)
    assert set(ours["job_configuration"]) == set(theirs["job_configuration"])
    known = ours["variables"]["properties"]
    assert set(theirs["variables"]["properties"]) <= set(known)
    used = set(re.findall(r"{{ (\w+) }}", json.dumps(ours["job_configuration"])))
    assert used == set(known)
    Draft202012Validator.check_schema(ours["variables"])
    defaults = {name: told["default"] for name, told in known.items() if "default" in told}
    Draft202012Validator(ours["variables"]).validate(defaults)
    assert defaults["image"] == "crossmodal"


@pytest.mark.parametrize("kind", KINDS)
def test_server_takes_the_template_and_checks_what_deployments_set_in_it(
    client: SyncPrefectClient, pool: Target, kind: PoolType
) -> None:
    deploy(replace(pool, pool_type=kind, pool_limit=3))
    made = client.read_work_pool(pool.pool)
    assert (made.type, made.concurrency_limit) == (kind, 3)
    assert made.base_job_template == template(kind)
    found = client.read_deployment_by_name(f"index/{pool.name}")
    with pytest.raises(PrefectHTTPStatusError, match=r"409|422"):
        client.create_flow_run_from_deployment(found.id, job_variables={"image": 3})


def test_limit_is_changed_only_where_one_is_named(client: SyncPrefectClient, pool: Target) -> None:
    assert [change.action for change in put_pool(client, pool)] == ["created", "created"]
    assert put_pool(client, replace(pool, pool_limit=2))[0].action == "updated"
    assert put_pool(client, pool)[0].action == "unchanged"
    assert client.read_work_pool(pool.pool).concurrency_limit == 2


def test_searches_wait_in_a_queue_that_goes_first(client: SyncPrefectClient, pool: Target) -> None:
    client.create_work_pool(WorkPoolCreate(name=pool.pool, type="process"))
    deploy(pool)
    queues = {queue.name: queue for queue in client.read_work_queues(work_pool_name=pool.pool)}
    assert queues[SEARCHES].priority < queues["default"].priority
    waiting = {
        flow: client.read_deployment_by_name(f"{flow}/{pool.name}").work_queue_name
        for flow in ("search", "ask", "recommend", "status-report", "index", "backfill")
    }
    assert waiting == {
        **dict.fromkeys(("search", "ask", "recommend", "status-report"), SEARCHES),
        **dict.fromkeys(("index", "backfill"), "default"),
    }
    assert {change.action for change in deploy(pool)} == {"unchanged"}
