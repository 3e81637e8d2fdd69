"""Show the progress of a run: a bar on a terminal, a log line every few seconds elsewhere.

Owns what a person sees on standard error during a run; refuses to be a record of it (``recorder``).
``advance`` may come from any thread, and showing progress never fails the work.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from crossmodal.runs.pace import Pace, Unit

if TYPE_CHECKING:
    from rich.progress import Progress as RichBar
    from rich.progress import TaskID

LINE_INTERVAL_S = 5.0
_SHOWN = ("amounts", "rate", "at")


class Progress(Protocol):
    """Follow one piece of work after another; starting the next ends the one before."""

    def start(self, total: int | None, what: str, unit: Unit = "items") -> None:
        """Begin ``what``; a total of None means that nobody knows."""

    def advance(self, amount: float) -> None:
        """Count items, or expected chunks, that are done."""

    def begin(self, name: str) -> None:
        """Say that a file is at work now."""

    def end(self, name: str) -> None:
        """Say that a file is through; one that was never begun is no matter."""

    def finish(self) -> None:
        """End what was started; without a start, do nothing."""


class NullProgress:
    """Show nothing."""

    def start(self, total: int | None, what: str, unit: Unit = "items") -> None:
        """Do nothing."""

    def advance(self, amount: float) -> None:
        """Do nothing."""

    def begin(self, name: str) -> None:
        """Do nothing."""

    def end(self, name: str) -> None:
        """Do nothing."""

    def finish(self) -> None:
        """Do nothing."""


class RichProgress:
    """Draw a bar with how much is done, how fast, the time left and the file at work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._bar: RichBar | None = None
        self._task: TaskID | None = None
        self._pace: Pace | None = None

    def start(self, total: int | None, what: str, unit: Unit = "items") -> None:
        """Begin a bar of its own for ``what``."""
        self.finish()
        with self._lock:
            self._pace = Pace(what, total, time.monotonic(), unit)
            self._bar = _bar(self._stream)
            self._task = self._bar.add_task(what, total=total, **_fields(self._pace))
            self._bar.start()

    def advance(self, amount: float) -> None:
        """Move the bar."""
        with self._lock:
            if self._pace is not None:
                self._pace.num_done += amount
                self._draw(amount)

    def begin(self, name: str) -> None:
        """Show the file that has been at work for longest."""
        with self._lock:
            if self._pace is not None:
                self._pace.at_work[name] = None
                self._draw(0)

    def end(self, name: str) -> None:
        """Show the next one."""
        with self._lock:
            if self._pace is not None:
                self._pace.at_work.pop(name, None)
                self._draw(0)

    def finish(self) -> None:
        """Leave the bar as it stands and free the terminal."""
        with self._lock:
            if self._bar is not None:
                self._bar.stop()
            self._bar = self._pace = None

    def _draw(self, amount: float) -> None:
        if self._bar is not None and self._task is not None and self._pace is not None:
            self._bar.update(self._task, advance=amount, **_fields(self._pace))


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

    def start(self, total: int | None, what: str, unit: Unit = "items") -> None:
        """Begin ``what``; its first line comes after the interval."""
        self.finish()
        with self._lock:
            self._pace = Pace(what, total, self._clock(), unit)
            self._next_line = self._pace.started_s + self._interval_s

    def advance(self, amount: float) -> None:
        """Count, and write a line if one is due."""
        with self._lock:
            if self._pace is not None:
                self._pace.num_done += amount
                self._write_if_due(self._pace)

    def begin(self, name: str) -> None:
        """Take the file into the next line, and write that if it is due."""
        with self._lock:
            if self._pace is not None:
                self._pace.at_work[name] = None
                self._write_if_due(self._pace)

    def end(self, name: str) -> None:
        """Take the file out of the next line."""
        with self._lock:
            if self._pace is not None:
                self._pace.at_work.pop(name, None)

    def finish(self) -> None:
        """Write the last line: how many, how long, how fast; none where nothing was done."""
        with self._lock:
            if self._pace is not None and self._pace.num_done:
                self._write(self._pace.last_line(self._clock()))
            self._pace = None

    def _write_if_due(self, pace: Pace) -> None:
        now = self._clock()
        if now >= self._next_line:
            self._next_line = now + self._interval_s
            self._write(pace.line(now))

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

    def start(self, total: int | None, what: str, unit: Unit = "items") -> None:
        """Begin ``what`` everywhere."""
        for place in self._places:
            place.start(total, what, unit)

    def advance(self, amount: float) -> None:
        """Count everywhere."""
        for place in self._places:
            place.advance(amount)

    def begin(self, name: str) -> None:
        """Say so everywhere."""
        for place in self._places:
            place.begin(name)

    def end(self, name: str) -> None:
        """Say so everywhere."""
        for place in self._places:
            place.end(name)

    def finish(self) -> None:
        """End everywhere."""
        for place in self._places:
            place.finish()


def make_progress(stream: TextIO, *, quiet: bool = False) -> Progress:
    """Return the progress that suits the stream: a bar on a terminal, lines elsewhere."""
    if quiet:
        return NullProgress()
    return RichProgress(stream) if stream.isatty() else LineProgress(stream)


def _fields(pace: Pace) -> dict[str, Any]:
    at = f"at {pace.file}" if pace.file else ""
    return {"amounts": pace.amounts, "rate": pace.rate(time.monotonic()), "at": at}


def _bar(stream: TextIO) -> RichBar:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichBar

    texts = [TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in _SHOWN]
    return RichBar(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        *texts[:2],
        TimeRemainingColumn(elapsed_when_finished=True),
        *texts[2:],
        console=Console(file=stream),
    )
