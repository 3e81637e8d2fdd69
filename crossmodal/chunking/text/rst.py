"""Find headings in reStructuredText.

Owns sections by their adornments; everything else stays as written. Docutils is not used: it
reads other files on the text's behalf.
"""

from __future__ import annotations

import re
from itertools import pairwise

from crossmodal.chunking.passages.outline import Outline, Structured, line_starts

_ADORNMENT = re.compile(r"([!-/:-@\[-`{-~])\1{2,}[ \t]*\n?")


def parse_rst(text: str) -> Structured:
    """Return one block for each run of text between headings, with its chars."""
    starts = line_starts(text)
    lines = [text[begin:stop] for begin, stop in pairwise(starts)]
    outline = Outline()
    levels: dict[str, int] = {}
    title, body, number = "", 0, 0
    while number < len(lines):
        found = _heading_at(lines, number)
        if found is None:
            number += 1
            continue
        heading, style, num_lines = found
        outline.add(text[starts[body] : starts[number]], _chars(starts, body, number))
        body = number + num_lines
        level = levels.setdefault(style, len(levels) + 1)
        outline.enter(level, heading, _chars(starts, number, body))
        title = title or heading
        number = body
    outline.add(text[starts[body] :], _chars(starts, body, len(lines)))
    return Structured(outline.finish(), title)


def _chars(starts: list[int], first: int, stop: int) -> dict[str, list[int]]:
    return {"chars": [starts[first], starts[stop]]}


def _heading_at(lines: list[str], number: int) -> tuple[str, str, int] | None:
    """Return the heading that begins at a line, its style and its number of lines."""
    over = _ADORNMENT.fullmatch(lines[number])
    if over and number + 2 < len(lines):
        under = _ADORNMENT.fullmatch(lines[number + 2])
        heading = lines[number + 1].strip()
        if under and under[1] == over[1] and heading and not _ADORNMENT.fullmatch(heading):
            return heading, over[1] * 2, 3
    if over or number + 1 >= len(lines) or lines[number][:1].isspace():
        return None
    under = _ADORNMENT.fullmatch(lines[number + 1])
    heading = lines[number].strip()
    follows_text = number > 0 and lines[number - 1].strip()
    if under and heading and not follows_text and len(under[0].strip()) >= len(heading):
        return heading, under[1], 2
    return None
