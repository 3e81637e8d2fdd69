"""Divide a stream of samples into windows of equal length.

Owns the arithmetic of overlap and of the end: the last window ends where the sound ends and is as
long as the others, for a short one would be padded by the encoder and resemble nothing. Holds one
window at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossmodal.chunking.rules import ChunkRules

Samples = npt.NDArray[np.float32]

MIN_WINDOW_S = 1.0
"""A sound shorter than this is followed by silence up to it."""
_MIN_REST_S = 0.5
_MAX_OVERLAP = 0.9


@dataclass(frozen=True, slots=True)
class Window:
    """Hold the samples of one window and the number of the first of them."""

    start: int
    stop: int
    samples: Samples


def check_rules(rules: ChunkRules) -> None:
    """Raise ValueError if the overlap leaves no step from one window to the next."""
    window_s, overlap_s = rules.audio_window_s, rules.audio_overlap_s
    if not 0 <= overlap_s <= window_s * _MAX_OVERLAP:
        raise ValueError(
            f"audio_overlap_s={overlap_s:g} must be from 0 to nine tenths of "
            f"audio_window_s={window_s:g}"
        )


class WindowCutter:
    """Take samples as they are decoded and yield windows as they are full."""

    def __init__(self, rate_hz: int, window_s: float, overlap_s: float) -> None:
        self._rate_hz = rate_hz
        self._length = max(1, round(window_s * rate_hz))
        self._step = max(1, self._length - round(overlap_s * rate_hz))
        self._held: list[Samples] = []
        self._num_held = 0
        self._start = 0
        self._last: Samples = np.zeros(0, np.float32)

    @property
    def num_samples(self) -> int:
        """Return how many samples came in."""
        return self._start + self._num_held

    def push(self, samples: Samples) -> Iterator[Window]:
        """Take (n,) samples and yield the windows that they complete."""
        self._held.append(samples)
        self._num_held += len(samples)
        if self._num_held < self._length:
            return
        held = np.concatenate(self._held)
        while len(held) >= self._length:
            self._last = held[: self._length].copy()
            yield Window(self._start, self._start + self._length, self._last)
            held = held[self._step :]
            self._start += self._step
        self._held, self._num_held = [held.copy()], len(held)

    def finish(self) -> Iterator[Window]:
        """Yield the last window, unless what is left is too short to be heard."""
        if not self.num_samples:
            return
        held = np.concatenate(self._held)
        stop = self.num_samples
        if not len(self._last):
            short = max(0, round(MIN_WINDOW_S * self._rate_hz) - len(held))
            yield Window(0, stop, np.pad(held, (0, short)))
            return
        fresh = held[self._length - self._step :]
        if len(fresh) < _MIN_REST_S * self._rate_hz:
            return
        yield Window(
            stop - self._length,
            stop,
            np.concatenate([self._last, fresh])[-self._length :],
        )
