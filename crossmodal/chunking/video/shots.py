"""Decide which frames of a film stand for it.

Owns the three ways to sample and nothing else: it sees times and tiny signatures, and hands back
whatever frame object it was given. A shot is a stretch of the film that one frame stands for; the
next shot starts where it ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from crossmodal.chunking.rules import FrameSampling

Signature = npt.NDArray[np.int16]
"""(3, rows, columns): luma and two colour differences of a thumbnail, 0..255."""

MIN_SHOT_S = 0.5
"""No two frames are nearer to each other; a film of key frames alone would else give them all."""
# In units of 0..765, the mean differences of the three planes added up. Neighbouring frames of
# handheld film differ by up to 9 and key frames pop by up to 5; cuts between photos by 50 to 170,
# between pages of a talk by 6 and more.
_MIN_CUT = 6.0
_CUT_OVER_MOTION = 5.0
_DRIFT = 40.0
_MIN_DRIFT_S = 2.0
_SETTLE_S = 0.5
_FLAT = 4.0
_MOTION_MEMORY = 0.9


@dataclass(frozen=True, slots=True)
class Shot:
    """Say from where on which frame stands for the film."""

    start_s: float
    frame_s: float
    frame: Any


class Sampler(Protocol):
    """Turn frames in order of time into shots; a shot comes out when the next has begun."""

    needs_signature: bool

    def push(
        self, time_s: float, frame: Any, *, is_key: bool, signature: Signature | None
    ) -> Shot | None:
        """Take the next frame and return the shot that it ends, if any."""

    def finish(self) -> Shot | None:
        """Return the last shot, if there was any frame."""


def sampler(sampling: FrameSampling, interval_s: float) -> Sampler:
    """Return a fresh sampler for one film."""
    if sampling == "scenes":
        return _Scenes(interval_s)
    return _Spaced(None if sampling == "keyframes" else interval_s)


class _Spaced:
    """Take every key frame, or the first frame of every interval."""

    needs_signature = False

    def __init__(self, interval_s: float | None) -> None:
        self._interval_s = interval_s
        self._shot: Shot | None = None

    def push(
        self, time_s: float, frame: Any, *, is_key: bool, signature: Signature | None
    ) -> Shot | None:
        ended = self._shot
        if ended is not None and not self._is_due(time_s, ended.start_s, is_key=is_key):
            return None
        self._shot = Shot(time_s, time_s, frame)
        return ended

    def finish(self) -> Shot | None:
        return self._shot

    def _is_due(self, time_s: float, last_s: float, *, is_key: bool) -> bool:
        if self._interval_s is None:
            return is_key and time_s - last_s >= MIN_SHOT_S
        interval_s = max(self._interval_s, MIN_SHOT_S)
        return time_s // interval_s > last_s // interval_s


class _Scenes:
    """Begin a shot at a cut, after a slow change, or when the interval is over.

    The frame that stands for a shot is the richest of its first half second, for a cut may begin
    with a blend; a frame of one colour is given up for any later one, even beyond a cut.
    """

    needs_signature = True

    def __init__(self, interval_s: float) -> None:
        self._interval_s = max(interval_s, MIN_SHOT_S)
        self._start_s = 0.0
        self._settled_s = 0.0
        self._best: tuple[float, Any, Signature] | None = None
        self._detail = 0.0
        self._previous: Signature | None = None
        self._motion = 0.0

    def push(
        self, time_s: float, frame: Any, *, is_key: bool, signature: Signature | None
    ) -> Shot | None:
        assert signature is not None
        is_cut = self._is_cut(signature)
        ended = None
        if self._best is None:
            self._begin(time_s, time_s, frame, signature)
        elif self._ends(time_s, signature, is_cut=is_cut):
            ended = self.finish()
            self._begin(time_s, time_s, frame, signature)
        elif is_cut:
            self._begin(self._start_s, time_s, frame, signature)
        else:
            self._improve(time_s, frame, signature)
        self._previous = signature
        return ended

    def finish(self) -> Shot | None:
        return None if self._best is None else Shot(self._start_s, self._best[0], self._best[1])

    def _is_cut(self, signature: Signature) -> bool:
        if self._previous is None:
            return False
        jump = _difference(signature, self._previous)
        is_cut = jump > max(_MIN_CUT, _CUT_OVER_MOTION * self._motion)
        # A cut counts as a little motion, so that a film that never rests stops giving cuts.
        motion = min(jump, 2 * max(_MIN_CUT, self._motion))
        self._motion = _MOTION_MEMORY * self._motion + (1 - _MOTION_MEMORY) * motion
        return is_cut

    def _ends(self, time_s: float, signature: Signature, *, is_cut: bool) -> bool:
        age_s = time_s - self._start_s
        if age_s >= self._interval_s - 1e-3:
            return True
        if self._detail <= _FLAT:
            return False  # a blank beginning becomes part of what follows it
        if is_cut:
            return age_s >= MIN_SHOT_S
        assert self._best is not None
        return age_s >= _MIN_DRIFT_S and _difference(signature, self._best[2]) > _DRIFT

    def _begin(self, start_s: float, time_s: float, frame: Any, signature: Signature) -> None:
        self._start_s, self._settled_s = start_s, time_s + _SETTLE_S
        self._best, self._detail = (time_s, frame, signature), _detail_of(signature)

    def _improve(self, time_s: float, frame: Any, signature: Signature) -> None:
        if time_s > self._settled_s and self._detail > _FLAT:
            return
        detail = _detail_of(signature)
        if detail > self._detail:
            self._best, self._detail = (time_s, frame, signature), detail


def _difference(one: Signature, other: Signature) -> float:
    return float(np.abs(one - other).mean(axis=(1, 2)).sum())


def _detail_of(signature: Signature) -> float:
    return float(signature[0].std())
