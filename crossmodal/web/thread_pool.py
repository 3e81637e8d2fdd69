"""Run blocking work in a bounded number of threads; who would wait too long is told to come back.

Owns the queue; knows nothing of the work.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import anyio
import anyio.to_thread

from crossmodal.web.api.errors import ApiError

T = TypeVar("T")


class Pool:
    """Let so many calls run at once, and so many wait."""

    def __init__(self, num_threads: int, max_waiting: int, max_wait_s: float) -> None:
        self._slots = anyio.Semaphore(num_threads)
        self._threads = anyio.CapacityLimiter(num_threads)
        self._max_waiting = max_waiting
        self._max_wait_s = max_wait_s
        self._num_waiting = 0

    async def run(self, work: Callable[..., T], *args: Any, **options: Any) -> T:
        """Return what the work returns.

        Raises:
            ApiError: 503, where too many wait already or the turn did not come in time.
        """
        if self._num_waiting >= self._max_waiting:
            raise _busy()
        self._num_waiting += 1
        try:
            with anyio.fail_after(self._max_wait_s):
                await self._slots.acquire()
        except TimeoutError:
            raise _busy() from None
        finally:
            self._num_waiting -= 1
        try:
            bound = functools.partial(work, *args, **options)
            return await anyio.to_thread.run_sync(bound, limiter=self._threads)
        finally:
            self._slots.release()


def _busy() -> ApiError:
    return ApiError(
        503,
        "overloaded",
        "more requests wait than can be answered soon",
        "try again in a moment",
        {"Retry-After": "2"},
    )
