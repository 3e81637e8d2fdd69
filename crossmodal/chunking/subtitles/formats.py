"""Read SubRip, WebVTT and (Advanced) SubStation Alpha: cues, and how many could not be read.

Owns the three grammars as they are met in practice, which is looser than they are written; the
content says which one it is, not the name. Time is linear in the size of the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from crossmodal.chunking.subtitles.cues import Cue, clean_text

_ARROW = "-->"
_TIME = r"(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})(?:[,.:](\d{1,3}))?"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s|$)")
_ASS_TIME = re.compile(rf"\s*{_TIME}\s*$")
_ASS_START, _VTT_START = re.compile(r"\s*\[Script Info\]", re.IGNORECASE), "WEBVTT"
_ASS_FIELDS = "layer,start,end,style,name,marginl,marginr,marginv,effect,text"
_DRAWING = re.compile(r"\{[^{}]{0,500}\\p[1-9]")
_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,80})?\s+([^<>\n]{1,80})>")
_NAMED_BAD = 5


@dataclass(slots=True)
class Subtitles:
    """Hold what a subtitle file says."""

    format: str
    cues: list[Cue] = field(default_factory=list)
    num_bad: int = 0
    bad_lines: list[int] = field(default_factory=list)
    """Numbers, from 1, of the first few lines whose time cannot be."""

    def add(self, line_number: int, times: tuple[float, float] | None, text: str) -> None:
        """Take one cue; empty ones are dropped and impossible ones counted."""
        if times is None or times[1] < times[0]:
            self.num_bad += 1
            if len(self.bad_lines) < _NAMED_BAD:
                self.bad_lines.append(line_number)
            return
        text = clean_text(text)
        if text:
            self.cues.append(Cue(*times, text))


def parse_bytes(data: bytes) -> Iterator[Subtitles]:
    """Yield the cues of a subtitle file at once; runs in the child.

    Raises:
        Refused: ``no_content`` or ``binary``.
    """
    from crossmodal.chunking.text.encoding import decode_text

    yield parse(decode_text(data).text)


def parse(text: str) -> Subtitles:
    """Return the cues of a subtitle file in the order of the file."""
    text = text.lstrip("\ufeff")
    if _ASS_START.match(text):
        return _parse_ass(text)
    found = Subtitles("vtt" if text.startswith(_VTT_START) else "srt")
    for line_number, timing, lines in _blocks(text):
        found.add(line_number, _times(timing), _VOICE.sub(r"\1: ", "\n".join(lines)))
    return found


def _blocks(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield line number, timing line and text lines of each cue.

    A cue's text ends at a blank line; what stands between it and the next timing line is a number,
    a name, a note or a style, none of which is shown.
    """
    timing, at, lines, is_open = "", 0, list[str](), False
    for number, line in enumerate(text.splitlines(), 1):
        if _ARROW in line and (not is_open or _TIMING.match(line)):
            if timing:
                yield at, timing, _without_counter(lines) if is_open else lines
            timing, at, lines, is_open = line, number, [], True
        elif not line.strip():
            is_open = False
        elif is_open:
            lines.append(line)
    if timing:
        yield at, timing, lines


def _without_counter(lines: list[str]) -> list[str]:
    """Drop the number of the next cue where no blank line parts it from this one."""
    return lines[:-1] if lines and lines[-1].strip().isdigit() else lines


def _times(timing: str) -> tuple[float, float] | None:
    match = _TIMING.match(timing)
    if match is None:
        return None
    parts = match.groups()
    return _seconds(*parts[:4]), _seconds(*parts[4:])


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    part = int(fraction) / 10 ** len(fraction) if fraction else 0.0
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + part


def _parse_ass(text: str) -> Subtitles:
    found = Subtitles("ass")
    names = _ASS_FIELDS.split(",")
    for number, line in enumerate(text.splitlines(), 1):
        kind, _, rest = line.partition(":")
        if kind.strip().lower() == "format" and "text" in rest.lower():
            names = [name.strip().lower() for name in rest.split(",")]
        elif kind.strip().lower() == "dialogue":
            values = dict(zip(names, rest.split(",", len(names) - 1), strict=False))
            if not _DRAWING.search(values.get("text", "")):
                found.add(number, _ass_times(values), ass_lines(values.get("text", "")))
    return found


def _ass_times(values: dict[str, str]) -> tuple[float, float] | None:
    start = _ASS_TIME.match(values.get("start", ""))
    end = _ASS_TIME.match(values.get("end", ""))
    if start is None or end is None:
        return None
    return _seconds(*start.groups()), _seconds(*end.groups())


def ass_lines(text: str) -> str:
    r"""Turn the line breaks ``\N``, ``\n`` and ``\h`` of a dialogue into the characters meant."""
    return text.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")
