"""Show the progress of a run: a bar on a terminal, a log line every few seconds elsewhere.

Owns what a person sees on standard error during a run; refuses to be a record of it (``recorder``).
``advance`` may come from any thread, and showing progress never fails the work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TextIO

from crossmodal.runs.pace import Pace
from crossmodal.views.human import human_rate

if TYPE_CHECKING:
    from rich.progress import Progress as RichBar
    from rich.progress import TaskID

LINE_INTERVAL_S = 5.0


class Progress(Protocol):
    """Follow one piece of work after another; starting the next ends the one before."""

    def start(self, total: int | None, what: str) -> None:
        """Begin ``what``; a total of None means that nobody knows."""

    def advance(self, num_items: int) -> None:
        """Count items that are done."""

    def finish(self) -> None:
        """End what was started; without a start, do nothing."""


class NullProgress:
    """Show nothing."""

    def start(self, total: int | None, what: str) -> None:
        """Do nothing."""

    def advance(self, num_items: int) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


class RichProgress:
    """Draw a bar with items, items/s and the time left on a terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._bar: RichBar | None = None
        self._task: TaskID | None = None

    def start(self, total: int | None, what: str) -> None:
        """Begin a bar of its own for ``what``."""
        self.finish()
        with self._lock:
            self._bar = _bar(self._stream)
            self._task = self._bar.add_task(what, total=total, rate="-")
            self._bar.start()

    def advance(self, num_items: int) -> None:
        """Move the bar."""
        with self._lock:
            if self._bar is None or self._task is None:
                return
            self._bar.advance(self._task, num_items)
            speed = self._bar.tasks[0].finished_speed or self._bar.tasks[0].speed
            self._bar.update(self._task, rate=human_rate(speed))

    def finish(self) -> None:
        """Leave the bar as it stands and free the terminal."""
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
            self._bar = None


class LineProgress:
    """Write a line every few seconds and one at the end, for logs and pipes."""

    def __init__(
        self,
        stream: TextIO,
        interval_s: float = LINE_INTERVAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._interval_s = interval_s
        self._clock = clock
        self._lock = threading.Lock()
        self._pace: Pace | None = None
        self._next_line = 0.0

    def start(self, total: int | None, what: str) -> None:
        """Begin ``what``; its first line comes after the interval."""
        self.finish()
        with self._lock:
            self._pace = Pace(what, total, self._clock())
            self._next_line = self._pace.started_s + self._interval_s

    def advance(self, num_items: int) -> None:
        """Count, and write a line if one is due."""
        with self._lock:
            if self._pace is None:
                return
            self._pace.num_done += num_items
            now = self._clock()
            if now >= self._next_line:
                self._next_line = now + self._interval_s
                self._write(self._pace.line(now))

    def finish(self) -> None:
        """Write the last line: how many, how long, how fast."""
        with self._lock:
            if self._pace is not None:
                self._write(self._pace.last_line(self._clock()))
            self._pace = None

    def _write(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            self._pace = None  # nobody reads any more; the work goes on


class Together:
    """Show the same progress in several places."""

    def __init__(self, *places: Progress) -> None:
        self._places = places

    def start(self, total: int | None, what: str) -> None:
        """Begin ``what`` everywhere."""
        for place in self._places:
            place.start(total, what)

    def advance(self, num_items: int) -> None:
        """Count everywhere."""
        for place in self._places:
            place.advance(num_items)

    def finish(self) -> None:
        """End everywhere."""
        for place in self._places:
            place.finish()


def make_progress(stream: TextIO, *, quiet: bool = False) -> Progress:
    """Return the progress that suits the stream: a bar on a terminal, lines elsewhere."""
    if quiet:
        return NullProgress()
    return RichProgress(stream) if stream.isatty() else LineProgress(stream)


def _bar(stream: TextIO) -> RichBar:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichBar

    return RichBar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]} items/s"),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(file=stream),
    )
