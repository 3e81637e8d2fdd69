"""Fix how every stage becomes a Prefect task, and how what it found is shown in the Prefect UI.

The ledger makes a rerun incremental, so Prefect's cache is off: it cannot know that rows were
deleted, and it would hash the arguments. What is shown is a view of the ledger: a Prefect server
that does not answer costs the picture, never the work.
"""

from __future__ import annotations

import functools
import hashlib
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import Any, ParamSpec, TypeVar

from httpx import HTTPError
from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.context import FlowRunContext
from prefect.exceptions import MissingContextError, PrefectException
from prefect.logging import get_logger, get_run_logger
from prefect.tasks import exponential_backoff
from prefect.utilities.timeout import timeout

from crossmodal.errors import StageTimedOut, is_transient
from crossmodal.runs.run import Run
from crossmodal.views.keys import collection_key

PARTITION_FLOW = "backfill-partition"

P = ParamSpec("P")
R = TypeVar("R")


def stage(
    name: str,
    run_name: str | None = None,
    found: Callable[[Any], str] | None = None,
    *,
    timed: bool = False,
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Return a decorator that makes a function a task with the retries of this project.

    When the stage ends, one line in the log of the run says so.

    Args:
        name: what the stage is called.
        run_name: another name for a single task run, with the arguments in braces.
        found: returns what the line says of the stage's result, in a few words.
        timed: count it as a stage of the run, which is its first argument, where the stage does
            not time itself what it does.
    """

    def decorate(work: Callable[P, R]) -> Task[P, R]:
        return task(
            name=name,
            task_run_name=run_name or name,
            retries=3,
            retry_delay_seconds=exponential_backoff(2),
            retry_jitter_factor=0.5,
            retry_condition_fn=_worth_retrying,
            cache_policy=NO_CACHE,
            persist_result=False,
        )(_telling(name, _timing(name, work) if timed else work, found))

    return decorate


def _timing(name: str, work: Callable[P, R]) -> Callable[P, R]:
    @functools.wraps(work)
    def timing(*args: P.args, **kwargs: P.kwargs) -> R:
        run = args[0]
        assert isinstance(run, Run), f"{name} is timed, but its first argument is no run"
        with run.recorder.span(name):
            return work(*args, **kwargs)

    return timing


def _telling(name: str, work: Callable[P, R], found: Callable[[Any], str] | None) -> Callable[P, R]:
    @functools.wraps(work)
    def telling(*args: P.args, **kwargs: P.kwargs) -> R:
        started_s = time.monotonic()
        with _within_limit(name, args):
            result = work(*args, **kwargs)
        took_s = time.monotonic() - started_s
        log("%s: %s (%.1f s)", name, found(result) if found else "done", took_s)
        return result

    return telling


class _OverLimit(TimeoutError):
    """A stage took too long."""


@contextmanager
def _within_limit(name: str, args: tuple[Any, ...]) -> Iterator[None]:
    """End the block where it takes longer than the run, its first argument, lets a stage take.

    Raises:
        StageTimedOut: it did.
    """
    limit_s = args[0].options.stage_timeout_s if args and isinstance(args[0], Run) else 0.0
    try:
        with timeout(limit_s or None, _OverLimit):
            yield
    except _OverLimit:
        raise StageTimedOut(
            f"{name} took longer than {limit_s:g} s, which is the limit (--stage-timeout-s): what "
            "is committed stays, and the same run again goes on with what is left"
        ) from None


def log(line: str, *values: object) -> None:
    """Write a line of level INFO to the log of the run, which the Prefect UI shows as it runs."""
    try:
        get_run_logger().info(line, *values)
    except MissingContextError:
        get_logger("crossmodal").info(line, *values)


@contextmanager
def showing() -> Iterator[None]:
    """Guard calls that publish artifacts: without a server, the rest of the block is skipped."""
    try:
        yield
    except (HTTPError, PrefectException) as error:
        get_logger("crossmodal").warning("not shown in Prefect: %s", error)


def leave_if_suspended() -> None:
    """End the run here if somebody has suspended it in the Prefect UI or by its API.

    Prefect itself looks only before a task begins, and one task embeds many shards. What is done
    is committed; resumed, the flow starts in a new process and plans what is left.
    """
    context = FlowRunContext.get()
    if context is not None:
        context.flow_run_suspension_request.raise_if_requested()


def tag_run(*tags: str) -> None:
    """Add tags to the run that this is, by which people find it in the Prefect UI."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    with showing(), get_client(sync_client=True) as client:
        known = client.read_flow_run(context.flow_run.id).tags
        if not set(tags) <= set(known):
            client.update_flow_run(context.flow_run.id, tags=sorted({*known, *tags}))


def artifact_key(run: Run, what: str) -> str:
    """Return the key under which the UI keeps the history of one thing that a flow shows.

    Each collection has its own, so that two of them do not overwrite each other's latest, and so
    has each partition that runs by itself, beside others.
    """
    return "-".join([collection_key(f"{run.flow}-{what}", run.collection.path), *_partition()])


def _partition() -> list[str]:
    """Return what tells the partition's keys apart that this run was given, if it was given one."""
    context = FlowRunContext.get()
    if context is None or context.flow is None or context.flow.name != PARTITION_FLOW:
        return []
    names = (context.parameters or {}).get("partitions") or []
    told = re.sub("[^a-z0-9]+", "-", PurePath(names[0]).name.lower()).strip("-") if names else ""
    digest = hashlib.sha256("\n".join(names).encode()).hexdigest()[:8]
    return [*filter(None, [told[:40].strip("-")]), digest]


def _worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    """Retry lost connections and busy locks; a damaged file or a bug stays as it is."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)
