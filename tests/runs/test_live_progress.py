"""Live progress: a board that is told now and then, and never keeps the work waiting."""

from __future__ import annotations

import contextvars
import threading
import time

import pytest

from crossmodal.runs import live_progress
from crossmodal.runs.live_progress import LiveProgress
from crossmodal.runs.progress import Together

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("colour", default="none")


class Board:
    def __init__(self) -> None:
        self.shown: list[tuple[float, str]] = []
        self.colours: set[str] = set()

    def show(self, percent: float, line: str) -> None:
        self.shown.append((percent, line))
        self.colours.add(COLOUR.get())


class DeafBoard:
    def __init__(self) -> None:
        self.answer = threading.Event()

    def show(self, percent: float, line: str) -> None:
        self.answer.wait(30)


def test_board_hears_the_beginning_and_the_end() -> None:
    board = Board()
    progress = LiveProgress(board, interval_s=60)
    progress.start(200, "embedding")
    for _ in range(4):
        progress.advance(25)
    progress.finish()
    percent, line = board.shown[-1]
    assert percent == 50
    assert line.startswith("embedding: 100 of 200, ")
    assert "took" in line
    assert len(board.shown) == 2


def test_board_is_told_once_an_interval_however_much_happens() -> None:
    board = Board()
    progress = LiveProgress(board, interval_s=0.1)
    progress.start(None, "listing")
    deadline = time.monotonic() + 0.55
    while time.monotonic() < deadline:
        progress.advance(1)
        time.sleep(0.001)
    progress.finish()
    assert 2 <= len(board.shown) <= 8


def test_second_piece_takes_the_place_of_the_first() -> None:
    board = Board()
    progress = LiveProgress(board, interval_s=60)
    progress.start(10, "reading")
    progress.start(20, "embedding")
    progress.advance(20)
    progress.finish()
    assert board.shown[-1][0] == 100
    assert board.shown[-1][1].startswith("embedding: 20 of 20")


def test_board_hears_of_a_piece_that_starts_after_a_finish() -> None:
    board = Board()
    progress = LiveProgress(board, interval_s=60)
    for what in ("reading", "embedding"):
        progress.start(1, what)
        progress.advance(1)
        progress.finish()
    assert [line.split(":")[0] for _, line in board.shown[1::2]] == ["reading", "embedding"]


def test_board_is_told_with_the_context_of_the_maker() -> None:
    board = Board()
    COLOUR.set("blue")
    progress = LiveProgress(board, interval_s=60)
    COLOUR.set("red")
    progress.start(1, "embedding")
    progress.finish()
    assert board.colours == {"blue"}


def test_board_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_progress, "FAREWELL_S", 0.2)
    board = DeafBoard()
    progress = LiveProgress(board, interval_s=0.01)
    started = time.monotonic()
    progress.start(10, "embedding")
    for _ in range(10):
        progress.advance(1)
    progress.finish()
    assert time.monotonic() - started < 20, "the board would have answered after 30 s"
    board.answer.set()


def test_progress_is_shown_in_every_place() -> None:
    boards = [Board(), Board()]
    progress = Together(*(LiveProgress(board, interval_s=60) for board in boards))
    progress.start(4, "embedding")
    progress.advance(2)
    progress.finish()
    assert [board.shown[-1][0] for board in boards] == [50, 50]
