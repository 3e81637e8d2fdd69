"""Pack a text into passages that fit the encoder, cut where its boundaries are strongest.

Owns the choice of cuts and the overlap; what is a good cut comes from ``split``. Invariants: the
passages cover the text in order without a hole, and the final string of each, counted by the
encoder's own tokenizer, is within the limit (token counts of parts do not add up).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from crossmodal.chunking.passages.boundaries import TOKEN
from crossmodal.chunking.pieces import TextMeasure

_GENTLE_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Packing:
    """Say how large passages are and where they may begin."""

    max_tokens: int
    overlap_tokens: int
    least_share: float
    """Share of its new tokens that a passage takes at least for a stronger cut; 0: the strongest
    cut in reach, however early."""
    overlap_strength: float
    """An overlap begins at the first boundary of this strength within reach, if there is one."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold a text with its tokens: where they begin, how good a cut before each is."""

    text: str
    starts: npt.NDArray[np.int64]
    strengths: npt.NDArray[np.float32]
    walls: npt.NDArray[np.int64]
    """Tokens over which no overlap reaches back."""
    head: Callable[[int], str]
    """What stands over a passage that begins at a character, with its line feed; or nothing."""

    def char(self, token: int) -> int:
        """Return where a token begins; one past the last token is the end of the text."""
        return int(self.starts[token]) if token < len(self.starts) else len(self.text)

    def trimmed(self, begin: int, stop: int) -> tuple[int, int]:
        """Return the characters of a range of tokens without the blanks at its ends."""
        return _trim(self.text, self.char(begin), self.char(stop))


def pack(
    measured: Measured, packing: Packing, measure: TextMeasure
) -> Iterator[tuple[int, int, str]]:
    """Yield each passage's half-open range of characters and its head; blank ones are left out."""
    begin = done = 0
    while done < len(measured.starts):
        begin, stop, fits = _fit(measured, packing, measure, begin, done)
        first, last = measured.trimmed(begin, stop)
        if fits and first < last:
            yield first, last, measured.head(first)
        elif first < last:
            halves = _halves(measured.text, first, last, packing.max_tokens, measure)
            yield from ((left, right, "") for left, right in halves)
        begin, done = _step_back(measured, packing, begin, stop), stop


def _fit(
    measured: Measured, packing: Packing, measure: TextMeasure, begin: int, done: int
) -> tuple[int, int, bool]:
    """Return the first and last token of the next passage, and whether it is within the limit.

    The overlap is given up where it leaves no room; a single token is returned even if too long.
    """
    while True:
        stop = _fitting_stop(measured, packing, measure, begin, done)
        if stop is not None:
            return begin, stop, True
        if begin == done:
            return begin, _next_cut(measured, begin + 1), False
        begin = done


def _fitting_stop(
    measured: Measured, packing: Packing, measure: TextMeasure, begin: int, done: int
) -> int | None:
    """Return the best cut after ``done`` with which a passage is within the limit, if any is."""
    size = packing.max_tokens - measure.count(measured.head(measured.char(begin)))
    num_tries = 0
    while begin + size > done:
        stop = _strongest(measured, packing, done, begin + size)
        first, last = measured.trimmed(begin, stop)
        passage = measured.head(first) + measured.text[first:last]
        excess = measure.count(passage) - packing.max_tokens
        if excess <= 0:
            return stop
        num_tries += 1
        size = min(size, stop - begin)
        size = size - excess if num_tries <= _GENTLE_TRIES else size // 2
    return None


def _strongest(measured: Measured, packing: Packing, done: int, limit: int) -> int:
    """Return the latest of the strongest cuts after ``done`` and up to ``limit``."""
    if limit >= len(measured.starts):
        return len(measured.starts)
    least = done + 1 + int((limit - done - 1) * packing.least_share)
    reach = measured.strengths[least : limit + 1]
    latest = limit - int(np.argmax(reach[::-1]))
    if measured.strengths[latest] >= TOKEN:
        return latest
    return _next_cut(measured, done + 1)


def _next_cut(measured: Measured, token: int) -> int:
    """Return the first token from here on that begins with a character of its own."""
    while token < len(measured.starts) and measured.strengths[token] < TOKEN:
        token += 1
    return token


def _step_back(measured: Measured, packing: Packing, begin: int, stop: int) -> int:
    """Return where the passage after a cut at ``stop`` begins."""
    wall = int(np.searchsorted(measured.walls, stop, side="right"))
    # After the first character that shows: past blanks alone, the whole passage would come again.
    first, _ = measured.trimmed(begin, stop)
    second = int(np.searchsorted(measured.starts, first, side="right"))
    earliest = max(stop - packing.overlap_tokens, second)
    earliest = max(earliest, int(measured.walls[wall - 1]) if wall else 0)
    reach = measured.strengths[earliest:stop]
    for strength in (packing.overlap_strength, TOKEN):
        fitting = np.flatnonzero(reach >= strength)
        if fitting.size:
            return earliest + int(fitting[0])
        if packing.overlap_strength > 1:
            break  # whole sentences or nothing
    return stop


def _trim(text: str, begin: int, stop: int) -> tuple[int, int]:
    """Return the range without the blanks at its ends."""
    passage = text[begin:stop]
    first = stop - len(passage.lstrip())
    return first, max(first, begin + len(passage.rstrip()))


def _halves(
    text: str, begin: int, stop: int, max_tokens: int, measure: TextMeasure
) -> Iterator[tuple[int, int]]:
    """Yield the range in halves, and theirs, until each is within the limit or one character."""
    begin, stop = _trim(text, begin, stop)
    if stop - begin <= 1 or measure.count(text[begin:stop]) <= max_tokens:
        yield from [(begin, stop)] if begin < stop else []
        return
    middle = (begin + stop) // 2
    yield from _halves(text, begin, middle, max_tokens, measure)
    yield from _halves(text, middle, stop, max_tokens, measure)
