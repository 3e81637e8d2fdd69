"""Call remote storage with a time limit and a circuit breaker for each place.

A call to a storage that hangs cannot be stopped, only left alone. Invariant: a place that does not
answer holds ``MAX_CALLS`` threads at most, and after the first wait nobody waits for it until it
has had a rest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from crossmodal.errors import Refused

T = TypeVar("T")

MAX_CALLS = 4
REST_S = 20.0


@dataclass(slots=True)
class _Place:
    turns: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MAX_CALLS))
    rests_until_s: float = 0.0


class CircuitBreaker:
    """Make calls to many places, each of which may take ``max_wait_s``."""

    def __init__(self, max_wait_s: float) -> None:
        self._max_wait_s = max_wait_s
        self._lock = threading.Lock()
        self._places: dict[str, _Place] = {}

    def call(self, name: str, work: Callable[[], T]) -> T:
        """Return what the work returns, which asks the place of that name.

        Raises:
            Refused: ``no_answer``, the place did not answer in time, now or a moment ago.
        """
        with self._lock:
            place = self._places.setdefault(name, _Place())
        if time.monotonic() < place.rests_until_s:
            raise _no_answer(f"{name} did not answer a moment ago: try again in {REST_S:g} s")
        late = f"{name} did not answer within {self._max_wait_s:g} s: try again later"
        if not place.turns.acquire(timeout=self._max_wait_s):
            raise _no_answer(late)
        done: Future[T] = Future()
        # A daemon, because Python would wait for any other thread before it ends.
        threading.Thread(target=_work, args=(work, done, place.turns), daemon=True).start()
        try:
            return done.result(self._max_wait_s)
        except TimeoutError:
            if done.done():
                raise  # the work's own
            place.rests_until_s = time.monotonic() + REST_S
            raise _no_answer(late) from None


def _work(work: Callable[[], Any], done: Future[Any], turns: threading.Semaphore) -> None:
    try:
        done.set_result(work())
    except BaseException as error:  # whoever waits decides
        done.set_exception(error)
    finally:
        turns.release()


def _no_answer(detail: str) -> Refused:
    return Refused("no_answer", detail, transient=True)
