"""Progress: a bar on a terminal, few lines elsewhere, never a failure."""

from __future__ import annotations

import io
import threading

import pytest

from crossmodal.runs.progress import LineProgress, NullProgress, RichProgress, make_progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


def test_a_line_comes_every_interval_and_one_at_the_end(clock: Clock) -> None:
    stream = io.StringIO()
    progress = LineProgress(stream, interval_s=5, clock=clock)
    progress.start(1000, "embedding")
    for _ in range(40):
        clock.now += 0.25
        progress.advance(25)
    progress.finish()
    assert lines(stream) == [
        "embedding: 500 of 1,000, 100 items/s, 5.0 s left",
        "embedding: 1,000 of 1,000, 100 items/s, 0 ms left",
        "embedding: 1,000 of 1,000, 100 items/s, took 10.0 s",
    ]


def test_without_a_total_there_is_no_time_left(clock: Clock) -> None:
    stream = io.StringIO()
    progress = LineProgress(stream, interval_s=5, clock=clock)
    progress.start(None, "listing")
    clock.now += 8
    progress.advance(4000)
    assert lines(stream) == ["listing: 4,000, 500 items/s"]


def test_starting_the_next_piece_ends_the_one_before(clock: Clock) -> None:
    stream = io.StringIO()
    progress = LineProgress(stream, clock=clock)
    progress.start(2, "reading")
    clock.now += 1
    progress.advance(2)
    progress.start(3, "embedding")
    progress.finish()
    progress.finish()
    assert lines(stream) == ["reading: 2 of 2, 2 items/s, took 1.0 s"], "of nothing, nothing"


def test_advance_without_a_start_shows_nothing(clock: Clock) -> None:
    for stream in (io.StringIO(), Terminal()):
        progress = make_progress(stream)
        progress.advance(5)
        progress.finish()
        assert stream.getvalue() == ""


def test_a_reader_that_went_away_does_not_fail_the_work(clock: Clock) -> None:
    stream = io.StringIO()
    progress = LineProgress(stream, interval_s=0, clock=clock)
    progress.start(2, "embedding")
    stream.close()
    progress.advance(1)
    progress.advance(1)
    progress.finish()


def test_bar_shows_name_count_and_speed() -> None:
    stream = Terminal()
    progress = RichProgress(stream)
    progress.start(40, "embedding [red]")
    threads = [threading.Thread(target=progress.advance, args=(10,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    progress.finish()
    shown = stream.getvalue()
    assert "embedding [red]" in shown
    assert "40 of 40" in shown
    assert "items/s" in shown


@pytest.mark.parametrize(
    ("stream", "quiet", "expected"),
    [
        (Terminal(), False, RichProgress),
        (io.StringIO(), False, LineProgress),
        (Terminal(), True, NullProgress),
    ],
)
def test_the_stream_decides_how_progress_is_shown(
    stream: io.StringIO, quiet: bool, expected: type
) -> None:
    assert isinstance(make_progress(stream, quiet=quiet), expected)


def test_expected_chunks_tell_the_time_left_and_the_file_that_is_at_work(clock: Clock) -> None:
    stream = io.StringIO()
    progress = LineProgress(stream, interval_s=5, clock=clock)
    progress.start(1_000, "embedding", "chunks")
    for name in ("/data/huge.csv", "/data/a.png"):
        progress.begin(name)
    clock.now += 10
    progress.advance(900)
    progress.end("/data/a.png")
    clock.now += 6
    progress.begin("s3://photos/b.png")
    progress.end("/data/huge.csv")
    clock.now += 5
    progress.advance(0)
    progress.finish()
    assert lines(stream) == [
        "embedding: 900 of about 1,000 chunks, 90 chunks/s, 1.1 s left, at huge.csv",
        "embedding: 900 of about 1,000 chunks, 56.2 chunks/s, 1.8 s left, at huge.csv",
        "embedding: 900 of about 1,000 chunks, 42.9 chunks/s, 2.3 s left, at b.png",
        "embedding: 900 of about 1,000 chunks, 42.9 chunks/s, took 21.0 s",
    ]


def test_names_of_files_at_work_cannot_move_the_cursor() -> None:
    stream = Terminal()
    progress = RichProgress(stream)
    progress.start(10, "embedding", "chunks")
    progress.begin("/data/\x1b[2Jevil [bold].png")
    progress.finish()
    assert "\x1b[2J" not in stream.getvalue()
    assert r"evil [bold].png" in stream.getvalue()
