"""Collect timed spans from any thread until they are written to the ledger.

Owns the spans of a run that are not stored yet; refuses to interpret them (``profile``) or to
store them (the storage room). A span that ended is handed out by ``drain`` exactly once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from crossmodal.records import Span


@dataclass(slots=True)
class Measured:
    """Take what only the work itself knows; set it before the ``with`` block ends."""

    num_items: int = 0
    num_bytes: int = 0


class Recorder:
    """Hold spans; every method may be called from several threads."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._lock = threading.Lock()
        self._open = threading.local()

    @contextmanager
    def span(self, stage: str, operator: str = "") -> Iterator[Measured]:
        """Time the ``with`` block, also one that raises."""
        measured = Measured()
        outer = getattr(self._open, "stage", "")
        self._open.stage = stage
        started_s = time.time()
        start = time.perf_counter()
        try:
            yield measured
        finally:
            self._open.stage = outer
            self.add(
                Span(
                    stage=stage,
                    operator=operator,
                    worker=threading.current_thread().name,
                    started_s=started_s,
                    wall_s=time.perf_counter() - start,
                    num_items=measured.num_items,
                    num_bytes=measured.num_bytes,
                )
            )

    def waited(self, what: str, wall_s: float) -> None:
        """Take a wait that ends now, as an operator of this thread's stage or a stage."""
        stage = getattr(self._open, "stage", "")
        self.passed(stage or what, what if stage else "", time.time() - wall_s, wall_s)

    def passed(self, stage: str, operator: str, started_s: float, wall_s: float) -> None:
        """Take time that nobody could measure while it passed."""
        worker = threading.current_thread().name
        self.add(
            Span(stage=stage, operator=operator, worker=worker, started_s=started_s, wall_s=wall_s)
        )

    def add(self, span: Span) -> None:
        """Take a span that was timed elsewhere."""
        with self._lock:
            self._spans.append(span)

    def drain(self) -> list[Span]:
        """Return the spans since the last call, in the order in which they ended."""
        with self._lock:
            spans, self._spans = self._spans, []
        return spans


class NullRecorder(Recorder):
    """Keep nothing, for work that nobody times."""

    def add(self, span: Span) -> None:
        """Drop the span."""
