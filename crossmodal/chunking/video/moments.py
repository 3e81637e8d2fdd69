"""Keep a few frames of a clip, spread over it evenly, before anybody knows how long it will be.

Owns which frames are kept; refuses to know where a clip ends. Memory holds four times as many
pictures as are wanted, so that those that are chosen lie about as far from each other. Runs in the
parser's child process.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from crossmodal.chunking.pieces import Moment

# Frames nearer to each other show the same; models are fed one or two a second.
_MIN_SPACING_S = 0.125
_HELD = 4


class Moments:
    """Collect the frames of one clip after another."""

    def __init__(self, num_frames: int) -> None:
        self._num_frames = num_frames
        self._kept: list[Moment] = []
        self._spacing_s = _MIN_SPACING_S

    def offer(self, time_s: float, picture: Callable[[], npt.NDArray[np.uint8]]) -> None:
        """Take the next frame of the film, which is drawn only where it is kept."""
        if self._kept and self._cell(time_s) == self._cell(self._kept[-1].time_s):
            return
        self._kept.append(Moment(time_s, picture()))
        while len(self._kept) > _HELD * self._num_frames:
            self._kept = [one for one in self._kept if self._cell(one.time_s) % 2 == 0]
            self._spacing_s *= 2

    def end(self, start_s: float) -> tuple[Moment, ...]:
        """Return the frames of the clip that has ended, timed from its start, and begin anew."""
        kept, self._kept, self._spacing_s = self._kept, [], _MIN_SPACING_S
        if not kept:
            return ()
        at_s = np.array([one.time_s for one in kept])
        wanted_s = np.linspace(at_s[0], at_s[-1], self._num_frames)
        nearest = dict.fromkeys(np.abs(at_s[:, None] - wanted_s).argmin(axis=0).tolist())
        return tuple(replace(kept[i], time_s=round(at_s[i] - start_s, 3)) for i in nearest)

    def _cell(self, time_s: float) -> int:
        """Return the number of the stretch of the clip that a moment lies in."""
        return int((time_s - self._kept[0].time_s) / self._spacing_s + 1e-6)
