"""Measure one piece of work, and format rate, remaining time and the file at work as one line."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from crossmodal.views.human import human_rate, human_seconds, printable

Unit = Literal["items", "chunks"]
"""What progress counts. Chunks are those that are expected: a few large files among many small ones
make files a poor measure, and bytes of photos among those of texts a worse one."""
_MAX_NAME = 60


@dataclass(slots=True)
class Pace:
    """Hold how much of a piece of work is done; not thread-safe."""

    what: str
    total: int | None
    """None where nobody knows."""
    started_s: float
    """By the clock whose readings ``line`` is given later."""
    unit: Unit = "items"
    num_done: float = 0.0
    at_work: dict[str, None] = field(default_factory=dict)
    """The files that were begun and are not through, oldest first."""

    @property
    def percent(self) -> float:
        """Return how much is done, 0 to 100; 0 where nobody knows the total."""
        if self.total is None:
            return 0.0
        return min(100 * self.num_done / self.total, 100.0) if self.total else 100.0

    @property
    def amounts(self) -> str:
        """Return how much is done, of how much: ``3 of 40``, ``12 of about 3,000 chunks``."""
        if self.total is None:
            return f"{self.num_done:,.0f}"
        if self.unit == "items":
            return f"{self.num_done:,.0f} of {self.total:,}"
        return f"{self.num_done:,.0f} of about {self.total:,} chunks"

    @property
    def file(self) -> str:
        """Return the name of the file that was begun first and is not through; empty for none."""
        oldest = next(iter(self.at_work), "")
        name = printable(oldest.rstrip("/").rpartition("/")[2])
        return name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 1]}…"

    def rate(self, now_s: float) -> str:
        """Return how fast it went so far, with its unit."""
        return f"{human_rate(self._per_second(now_s))} {self.unit}/s"

    def line(self, now_s: float) -> str:
        """Return how much is done, how fast, how long the rest will take, and of which file."""
        parts = [f"{self.what}: {self.amounts}", self.rate(now_s)]
        rate = self._per_second(now_s)
        if rate and self.total is not None:
            left_s = max(self.total - self.num_done, 0) / rate
            parts.append(f"{human_seconds(left_s)} left")
        if self.file:
            parts.append(f"at {self.file}")
        return ", ".join(parts)

    def last_line(self, now_s: float) -> str:
        """Return how much was done, how fast, and how long it took."""
        took = human_seconds(now_s - self.started_s)
        return f"{self.what}: {self.amounts}, {self.rate(now_s)}, took {took}"

    def _per_second(self, now_s: float) -> float | None:
        elapsed_s = now_s - self.started_s
        return self.num_done / elapsed_s if elapsed_s > 0 else None
