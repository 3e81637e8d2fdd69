"""The recorder keeps every span once, from any thread."""

from __future__ import annotations

import threading
import time

import pytest

from crossmodal.runs.recorder import NullRecorder, Recorder


def test_span_says_what_was_done_where_and_for_how_long() -> None:
    recorder = Recorder()
    before = time.time()
    with recorder.span("embed", "forward") as span:
        time.sleep(0.02)
        span.num_items, span.num_bytes = 8, 4096
    (recorded,) = recorder.drain()
    assert (recorded.stage, recorded.operator) == ("embed", "forward")
    assert (recorded.num_items, recorded.num_bytes) == (8, 4096)
    assert recorded.worker == threading.current_thread().name
    assert before <= recorded.started_s <= time.time()
    assert 0.02 <= recorded.wall_s < 2


def test_work_that_fails_is_timed_and_its_error_goes_on() -> None:
    recorder = Recorder()
    with pytest.raises(ValueError, match="broken"), recorder.span("store"):
        raise ValueError("broken")
    assert [span.stage for span in recorder.drain()] == ["store"]


def test_drain_hands_out_each_span_once_in_the_order_of_ending() -> None:
    recorder = Recorder()
    with recorder.span("embed"), recorder.span("embed", "read"):
        pass
    assert [span.operator for span in recorder.drain()] == ["read", ""]
    assert recorder.drain() == []


def test_no_span_is_lost_between_threads() -> None:
    recorder = Recorder()
    drained = []

    def work() -> None:
        for _ in range(200):
            with recorder.span("embed", "decode") as span:
                span.num_items = 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        drained += recorder.drain()
    drained += recorder.drain()
    assert sum(span.num_items for span in drained) == 8 * 200


def test_null_recorder_keeps_nothing() -> None:
    recorder = NullRecorder()
    with recorder.span("embed") as span:
        span.num_items = 3
    assert recorder.drain() == []


def test_a_wait_belongs_to_the_stage_in_which_it_passed() -> None:
    recorder = Recorder()
    with recorder.span("store"):
        recorder.waited("lock wait", 0.5)
    recorder.waited("lock wait", 0.25)
    found = [(span.stage, span.operator, span.wall_s) for span in recorder.drain()]
    assert [row for row in found if "lock wait" in row] == [
        ("store", "lock wait", 0.5),
        ("lock wait", "", 0.25),
    ]
