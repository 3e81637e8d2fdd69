"""Publish progress from a background thread; never block the run.

Owns the thread that tells and how often; refuses to know what the place is. A place that is slow
or gone costs the run nothing: it hears the latest number when it listens again.
"""

from __future__ import annotations

import contextvars
import threading
import time
from typing import Protocol

from crossmodal.runs.pace import Pace, Unit

INTERVAL_S = 2.0
FAREWELL_S = 5.0
"""How long the end of a run waits for the last number to arrive."""


class Board(Protocol):
    """Show the latest number; called by one thread, never sooner than the interval allows."""

    def show(self, percent: float, line: str) -> None:
        """Replace what is shown."""


class LiveProgress:
    """Keep a board up to date from a thread that lives from the first start to ``finish``.

    The thread inherits the context variables of whoever makes the object.
    """

    def __init__(self, board: Board, interval_s: float = INTERVAL_S) -> None:
        self._board = board
        self._interval_s = interval_s
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._pace: Pace | None = None
        self._teller: threading.Thread | None = None

    def start(self, total: int | None, what: str, unit: Unit = "items") -> None:
        """Start ``what``; the board shows it at its next update."""
        with self._lock:
            self._pace = Pace(what, total, time.monotonic(), unit)
        if self._teller is None:
            self._ended.clear()
            self._teller = threading.Thread(
                target=self._context.copy().run, args=(self._tell,), name="progress", daemon=True
            )
            self._teller.start()

    def advance(self, amount: float) -> None:
        """Count; do nothing slow, since this is called between forward passes."""
        with self._lock:
            if self._pace is not None:
                self._pace.num_done += amount

    def begin(self, name: str) -> None:
        """Let the next update name a file, where none that is older is still at work."""
        with self._lock:
            if self._pace is not None:
                self._pace.at_work[name] = None

    def end(self, name: str) -> None:
        """Let the next update name another file."""
        with self._lock:
            if self._pace is not None:
                self._pace.at_work.pop(name, None)

    def finish(self) -> None:
        """Publish the final state; give up if the board does not answer."""
        if self._teller is not None:
            self._ended.set()
            self._teller.join(FAREWELL_S)
            self._teller = None

    def _tell(self) -> None:
        while not self._ended.is_set():
            self._show(last=False)
            self._ended.wait(self._interval_s)
        self._show(last=True)

    def _show(self, *, last: bool) -> None:
        with self._lock:
            if self._pace is None:
                return
            now = time.monotonic()
            line = self._pace.last_line(now) if last else self._pace.line(now)
            percent = self._pace.percent
        self._board.show(percent, line)
