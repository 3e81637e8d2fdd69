"""Define the cue, clean its text, and merge cues into passages that can be searched.

Owns how far merging goes; refuses to know formats. A merged cue never bridges a long silence,
never covers much time, and never holds more than the text encoder reads.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.passages.passages import passages
from crossmodal.chunking.pieces import CutTools
from crossmodal.chunking.rules import ChunkRules

MAX_GAP_S = 3.0
MAX_SPAN_S = 15.0
"""Of a merged cue; a single cue may be longer."""
_ENOUGH_S = 8.0
_TOUCHING_S = 0.1
_SENTENCE_END = re.compile(r"[.!?…。！？؟][\"'»”’)\]]*\s*$")  # noqa: RUF001
_TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>|<\d[\d:.]{0,20}>")
_OVERRIDE = re.compile(r"\{\\[^{}]{0,500}\}")
_MAX_CUE_CHARS = 20_000


@dataclass(frozen=True, slots=True)
class Cue:
    """Hold one subtitle: when it is shown and its lines, separated by line feeds."""

    start_s: float
    end_s: float
    text: str
    track: int = 0
    language: str = ""


def clean_text(text: str) -> str:
    """Return the lines of a cue without tags, styles, entities and blank lines."""
    text = _OVERRIDE.sub("", _TAG.sub("", text[:_MAX_CUE_CHARS]))
    lines = (" ".join(line.split()) for line in html.unescape(text).splitlines())
    return "\n".join(line for line in lines if line)


def merged(cues: Iterable[Cue], rules: ChunkRules, tools: CutTools) -> Iterator[Cue]:
    """Merge the cues of one track, in order of time, into passages of one line each."""
    max_tokens = min(rules.chunk_tokens, tools.measure.max_tokens)
    whole: Cue | None = None
    for cue in without_repeats(sorted(cues, key=lambda cue: (cue.start_s, cue.end_s))):
        line = replace(cue, text=" ".join(cue.text.split("\n")))
        if whole is not None:
            joined = _joined(whole, line)
            if _may_join(whole, line) and tools.measure.count(joined.text) <= max_tokens:
                whole = joined
                continue
            yield from _fitting(whole, rules, tools)
        whole = line
    if whole is not None:
        yield from _fitting(whole, rules, tools)


def without_repeats(cues: Iterable[Cue]) -> Iterator[Cue]:
    """Drop lines that the cue before already showed, as captions that roll up do."""
    before: Cue | None = None
    kept: Cue | None = None
    for cue in cues:
        lines = cue.text.split("\n")
        if before is not None and cue.start_s - before.end_s <= _TOUCHING_S:
            lines = lines[_num_repeated(before.text.split("\n"), lines) :]
        before = cue
        if lines:
            if kept is not None:
                yield kept
            kept = replace(cue, text="\n".join(lines))
        elif kept is not None:
            kept = replace(kept, end_s=max(kept.end_s, cue.end_s))
    if kept is not None:
        yield kept


def _num_repeated(before: list[str], lines: list[str]) -> int:
    longest = min(len(before), len(lines))
    return next((n for n in range(longest, 0, -1) if before[-n:] == lines[:n]), 0)


def _may_join(whole: Cue, cue: Cue) -> bool:
    if cue.start_s - whole.end_s > MAX_GAP_S:
        return False
    if max(cue.end_s, whole.end_s) - whole.start_s > MAX_SPAN_S:
        return False
    is_complete = _SENTENCE_END.search(whole.text) is not None
    return not (is_complete and whole.end_s - whole.start_s >= _ENOUGH_S)


def _joined(whole: Cue, cue: Cue) -> Cue:
    return replace(whole, end_s=max(whole.end_s, cue.end_s), text=f"{whole.text} {cue.text}")


def _fitting(cue: Cue, rules: ChunkRules, tools: CutTools) -> Iterator[Cue]:
    """Divide a cue that is longer than the encoder reads; its time is divided by characters."""
    if tools.measure.count(cue.text) <= tools.measure.max_tokens:
        yield cue
        return
    plain = replace(rules, text_chunker="recursive", overlap_tokens=0)
    texts = [piece.text for piece in passages([Block(text=cue.text)], plain, tools)]
    span_s, num_chars = cue.end_s - cue.start_s, sum(map(len, texts)) or 1
    start_s, num_read = cue.start_s, 0
    for text in texts:
        num_read += len(text)
        end_s = cue.start_s + span_s * num_read / num_chars
        yield replace(cue, start_s=start_s, end_s=end_s, text=text)
        start_s = end_s
