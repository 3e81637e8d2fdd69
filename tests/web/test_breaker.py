"""A storage that hangs is left alone, and nobody waits for another because of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from crossmodal.errors import Refused
from crossmodal.web.files import breaker as module
from crossmodal.web.files.breaker import MAX_CALLS, CircuitBreaker
from tests.waiting import eventually

HANGS, ANSWERS = "s3://hangs", "s3://answers"


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    """Yield what a hanging call waits for; set in the end, so that its thread ends too."""
    end = threading.Event()
    yield end
    end.set()


def test_answers_and_errors_come_through() -> None:
    breaker = CircuitBreaker(5)
    assert breaker.call(ANSWERS, lambda: 7) == 7
    for error in (FileNotFoundError, TimeoutError):
        with pytest.raises(error):
            breaker.call(ANSWERS, lambda error=error: raise_(error))
    assert breaker.call(ANSWERS, lambda: 8) == 8


def raise_(error: type[Exception]) -> None:
    raise error


def test_place_that_hangs_is_given_up_and_then_left_to_rest(hang: threading.Event) -> None:
    breaker = CircuitBreaker(0.2)
    with pytest.raises(Refused, match=r"within 0\.2 s"):
        breaker.call(HANGS, hang.wait)
    started = time.monotonic()
    with pytest.raises(Refused, match="a moment ago"):
        breaker.call(HANGS, lambda: "not even asked")
    assert time.monotonic() - started < 0.15
    assert breaker.call(ANSWERS, lambda: "at once") == "at once"


def test_place_is_asked_again_after_its_rest(
    hang: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST_S", 0.0)
    breaker = CircuitBreaker(0.2)
    with pytest.raises(Refused):
        breaker.call(HANGS, hang.wait)
    assert breaker.call(HANGS, lambda: "back") == "back"


def test_place_that_hangs_holds_few_threads(
    hang: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REST_S", 0.0)
    breaker = CircuitBreaker(0.3)
    held: list[int] = []

    def ask() -> str:
        with pytest.raises(Refused) as refused:
            breaker.call(HANGS, lambda: (held.append(1), hang.wait()))
        return refused.value.reason

    with ThreadPoolExecutor(12) as askers:
        reasons = [asked.result() for asked in [askers.submit(ask) for _ in range(12)]]
    assert set(reasons) == {"no_answer"}
    assert len(held) == MAX_CALLS
    hang.set()
    eventually(lambda: breaker.call(HANGS, lambda: True), 5, "a free turn")
