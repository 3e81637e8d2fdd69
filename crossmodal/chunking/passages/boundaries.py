"""Find where a text may be cut, and how good each place is.

Owns the strengths of boundaries and their positions in tokens; refuses to choose among them, which
is ``split_packing``. A strength stands before a token: the higher, the better the cut there.
Everything is linear in the length of the text, whatever it holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from crossmodal.chunking.pieces import TextMeasure

SECTION, PARAGRAPH, LINE, SENTENCE, WORD, TOKEN, INSIDE = 5.0, 4.0, 3.0, 2.0, 1.0, 0.0, -1.0
"""What begins at a token; INSIDE: the token shares its character with the one before."""

_WINDOW_CHARS = 4096
# One token may stand for kilobytes without a space, or for nothing a reader would see.
_MAX_TOKEN_CHARS = 32
_MAX_SENTENCE_CHARS = 2000
_MIN_SENTENCES = 4

_BREAK = re.compile(r"\n\s*")
# The lookbehind keeps a long run of dots from being tried again from each of its dots.
_FULL_STOP = re.compile(
    r"(?<![.!?…])[.!?…]++[\"'”’»)\]]*+\s+"  # noqa: RUF001
    r"|[。！？｡।॥؟۔]++[\"'”’」』）)]*+\s*"  # noqa: RUF001
)
_LAST_WORD = re.compile(r"([^\W\d_]+)\.\s*\Z")
_ABBREVIATIONS = (
    " al approx bzw ca capt cf co corp dept dr ed eds eq eqs est etc fig figs gen gov hon inc jr lt"
    " ltd mr mrs ms mt nos nr op pp prof ref refs rep rev sec sen sgt sr st tab univ usw"
    " vgl viz vol vols vs "
)


def token_starts(text: str, measure: TextMeasure) -> npt.NDArray[np.int64]:
    """Return where each token begins, in characters, ascending, the first at 0.

    The text is measured in windows, so that neither a line of megabytes nor the tokenizer's own
    growth matters; a window's edge may cost a token. Long stretches that the tokenizer takes for
    one token, or for none, count as several.
    """
    starts: list[int] = []
    for begin, stop in _windows(text):
        starts += [begin + start for start, _ in measure.offsets(text[begin:stop])]
    starts[:1] = [0]
    ascending = np.maximum.accumulate(np.asarray(starts, dtype=np.int64))
    gaps = np.diff(ascending, append=len(text))
    wide = np.flatnonzero(gaps > _MAX_TOKEN_CHARS)
    fillers = [
        np.arange(ascending[i] + _MAX_TOKEN_CHARS, ascending[i] + gaps[i], _MAX_TOKEN_CHARS)
        for i in wide
    ]
    return np.sort(np.concatenate([ascending, *fillers]), kind="stable") if fillers else ascending


def _windows(text: str) -> Iterator[tuple[int, int]]:
    begin = 0
    while begin < len(text):
        stop = begin + _WINDOW_CHARS
        if stop < len(text):
            middle = begin + _WINDOW_CHARS // 2
            stop = max(text.rfind(" ", middle, stop), text.rfind("\n", middle, stop)) + 1 or stop
        yield begin, min(stop, len(text))
        begin = stop


def strengths(text: str, starts: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Return for each token how good a cut before it is, from INSIDE to PARAGRAPH."""
    found = np.asarray([WORD if text[start - 1].isspace() else TOKEN for start in starts.tolist()])
    for level, positions in _boundaries(text):
        raise_to(found, starts, positions, level)
    found[1:][np.diff(starts) == 0] = INSIDE
    return found.astype(np.float32)


def raise_to(
    found: npt.NDArray[np.floating],
    starts: npt.NDArray[np.int64],
    positions: Sequence[int],
    level: float,
) -> None:
    """Let at least ``level`` stand, in place, at the tokens that follow some characters."""
    indices = np.searchsorted(starts, np.asarray(positions, dtype=np.int64))
    indices = indices[indices < len(starts)]
    found[indices] = np.maximum(found[indices], level)


def _boundaries(text: str) -> Iterator[tuple[float, list[int]]]:
    yield SENTENCE, [match.end() for match in _FULL_STOP.finditer(text) if _ends(text, match)]
    breaks = [(match.end(), match.group().count("\n")) for match in _BREAK.finditer(text)]
    yield LINE, [position for position, num_lines in breaks if num_lines == 1]
    yield PARAGRAPH, [position for position, num_lines in breaks if num_lines > 1]


def _ends(text: str, stop: re.Match[str]) -> bool:
    """Say whether a sentence ends here: not after ``Dr.`` or an initial, nor before lower case.

    Where the stop stands alone, as in texts that were split into words, it always ends one.
    """
    if not stop.group()[-1].isspace() or text[stop.start() - 1 : stop.start()].isspace():
        return True
    if text[stop.end() : stop.end() + 1].islower():
        return False
    word = _LAST_WORD.search(text, max(0, stop.start() - 12), stop.end())
    return word is None or not (len(word[1]) == 1 or f" {word[1].lower()} " in _ABBREVIATIONS)


def by_meaning(
    text: str,
    starts: npt.NDArray[np.int64],
    found: npt.NDArray[np.float32],
    embed: Callable[[Sequence[str]], npt.NDArray[np.float32]],
) -> npt.NDArray[np.float32] | None:
    """Return strengths in which a sentence counts by how little it is like the one before it.

    They lie between SENTENCE and LINE; what is less than a sentence keeps its own. None where
    there are too few sentences to compare.
    """
    first_tokens = np.flatnonzero(found >= SENTENCE)
    first_tokens = first_tokens[first_tokens > 0]
    if len(first_tokens) + 1 < _MIN_SENTENCES:
        return None
    edges = [0, *starts[first_tokens].tolist(), len(text)]
    sentences = [
        text[begin : min(stop, begin + _MAX_SENTENCE_CHARS)].strip()
        for begin, stop in pairwise(edges)
    ]
    vectors = embed(sentences)
    likeness = np.einsum("nd,nd->n", vectors[:-1], vectors[1:])
    measured = found.copy()
    measured[first_tokens] = SENTENCE + np.clip((1 - likeness) / 2, 0, 0.999)
    return measured
