"""Fix how every stage becomes a Prefect task: retries for what is transient, no result cache.

The ledger makes a rerun incremental, so Prefect's cache is off: it cannot know that rows were
deleted, and it would hash the arguments.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE
from prefect.tasks import exponential_backoff

from tasks.errors import is_transient

P = ParamSpec("P")
R = TypeVar("R")


def stage(name: str, run_name: str | None = None) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Return a decorator that makes a function a task with the retries of this project."""
    return task(
        name=name,
        task_run_name=run_name,
        retries=3,
        retry_delay_seconds=exponential_backoff(2),
        retry_jitter_factor=0.5,
        retry_condition_fn=_worth_retrying,
        cache_policy=NO_CACHE,
        persist_result=False,
    )


def _worth_retrying(_task: Any, _run: Any, state: Any) -> bool:
    """Retry lost connections and busy locks; a damaged file or a bug stays as it is."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)
