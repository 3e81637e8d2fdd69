"""Count the items of one piece of work, and format rate and remaining time as one line."""

from __future__ import annotations

from dataclasses import dataclass

from crossmodal.views.human import human_rate, human_seconds


@dataclass(slots=True)
class Pace:
    """Hold how many items of a piece of work are done; not thread-safe."""

    what: str
    total: int | None
    """None where nobody knows."""
    started_s: float
    """By the clock whose readings ``line`` is given later."""
    num_done: int = 0

    @property
    def percent(self) -> float:
        """Return how much is done, 0 to 100; 0 where nobody knows the total."""
        if self.total is None:
            return 0.0
        return min(100 * self.num_done / self.total, 100.0) if self.total else 100.0

    def line(self, now_s: float) -> str:
        """Return how many are done, how fast, and how long the rest will take."""
        rate = self._rate(now_s)
        if not rate or self.total is None:
            return self._sofar(rate)
        left_s = max(self.total - self.num_done, 0) / rate
        return f"{self._sofar(rate)}, {human_seconds(left_s)} left"

    def last_line(self, now_s: float) -> str:
        """Return how many were done, how fast, and how long they took."""
        return f"{self._sofar(self._rate(now_s))}, took {human_seconds(now_s - self.started_s)}"

    def _sofar(self, rate: float | None) -> str:
        of_total = "" if self.total is None else f" of {self.total:,}"
        return f"{self.what}: {self.num_done:,}{of_total}, {human_rate(rate)} items/s"

    def _rate(self, now_s: float) -> float | None:
        elapsed_s = now_s - self.started_s
        return self.num_done / elapsed_s if elapsed_s > 0 else None
