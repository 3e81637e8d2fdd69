"""Make the work pool that deployments run in: its kind, its limit, and a queue that goes first.

A pool of containers begins with a template of ours: Prefect's own, with our image, a volume for
files and collections and, on Kubernetes, cards. Later it belongs to whoever edits it on the server.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
from prefect.exceptions import ObjectNotFound

from deployments.changes import Change
from deployments.target import PoolType, Target

SEARCHES = "searches"
"""The queue of runs that somebody waits for; prefect.yaml names it too."""
DEFAULT_QUEUE = "default"
_FIRST = 1


def put_pool(client: SyncPrefectClient, target: Target, *, dry_run: bool = False) -> list[Change]:
    """Create the pool and its first queue; of a pool that is there only the limit is changed."""
    return [_put_pool(client, target, dry_run), _put_queue(client, target.pool, dry_run)]


def template(kind: PoolType) -> dict[str, Any]:
    """Return the job template of a pool of containers; empty, Prefect's own, for processes."""
    if kind == "process":
        return {}
    found: dict[str, Any] = json.loads(
        (files("deployments") / "pools" / f"{kind}.json").read_text()
    )
    return found


def _put_pool(client: SyncPrefectClient, target: Target, dry_run: bool) -> Change:
    try:
        found = client.read_work_pool(target.pool)
    except ObjectNotFound:
        wanted = WorkPoolCreate(
            name=target.pool,
            type=target.pool_type,
            base_job_template=template(target.pool_type),
            concurrency_limit=target.pool_limit,
        )
        if not dry_run:
            client.create_work_pool(wanted)
        return Change("work pool", target.pool, "created")
    if target.pool_limit in (None, found.concurrency_limit):
        return Change("work pool", target.pool, "unchanged")
    if not dry_run:
        client.update_work_pool(target.pool, WorkPoolUpdate(concurrency_limit=target.pool_limit))
    return Change("work pool", target.pool, "updated")


def _put_queue(client: SyncPrefectClient, pool: str, dry_run: bool) -> Change:
    try:
        client.read_work_queue_by_name(SEARCHES, pool)
    except ObjectNotFound:
        if not dry_run:
            client.create_work_queue(
                SEARCHES,
                description="Searches, recommendations and reports, before runs that take hours.",
                priority=_FIRST,
                work_pool_name=pool,
            )
        return Change("work queue", f"{pool}/{SEARCHES}", "created")
    return Change("work queue", f"{pool}/{SEARCHES}", "unchanged")
