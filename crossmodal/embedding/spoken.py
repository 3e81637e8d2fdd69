"""Add the passages that are spoken in a source's sound to what its chunker found.

Owns which sources are listened to, and that subtitles win: a film with a subtitle track, or a film
or recording with a subtitle file beside it, is not. What was said comes after everything else of
its source.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused

if TYPE_CHECKING:
    from crossmodal.chunking.audio.windows import Samples

KIND = "speech"


def with_spoken(
    pieces: Iterable[Piece | Flaw], source: Source, rules: ChunkRules, tools: CutTools, device: str
) -> Iterator[Piece | Flaw]:
    """Yield the pieces, then a passage of kind ``speech`` for each stretch of what is said.

    Raises:
        Refused: nothing else of the source is found, and it cannot be heard, or nobody speaks.
    """
    kinds: set[str] = set()
    for piece in pieces:
        kinds.add("" if isinstance(piece, Flaw) else piece.kind)
        yield piece
    if "cue" not in kinds and not has_subtitles(source.uri):
        yield from _added(source, rules, tools, device, is_alone=not kinds)
    elif not kinds:
        raise Refused("no_content", "what is said in it stands in the subtitles beside it")


def _added(
    source: Source, rules: ChunkRules, tools: CutTools, device: str, *, is_alone: bool
) -> Iterator[Piece | Flaw]:
    """Yield what is said; ``is_alone``: nothing else of the source was found or told of."""
    flaws: list[Flaw] = []
    try:
        spoken = list(_spoken(source, rules, tools, device, flaws))
    except Refused as refusal:
        if is_alone:
            raise
        if refusal.reason != "no_content":  # a film without sound is no fault
            yield Flaw("sound", refusal.reason, refusal.detail)
        return
    if is_alone and not spoken:
        raise Refused("no_content", "no speech was recognised in it")
    yield from spoken
    if is_alone:
        yield from flaws


def has_subtitles(uri: str) -> bool:
    """Return whether a file of subtitles lies beside a local source: talk.srt, talk.en.vtt."""
    if "://" in uri:
        return False
    path = Path(uri)
    name = re.compile(re.escape(path.stem) + r"(\.[a-z]{2,3})?\.(srt|vtt|ass|ssa)", re.IGNORECASE)
    return any(name.fullmatch(each.name) for each in path.parent.glob(f"{escape(path.stem)}.*"))


def _spoken(
    source: Source, rules: ChunkRules, tools: CutTools, device: str, flaws: list[Flaw]
) -> Iterator[Piece]:
    from crossmodal.chunking.subtitles.cues import Cue, merged
    from crossmodal.chunking.subtitles.cut import cue_piece
    from crossmodal.recognition.speech import speech_reader

    said = speech_reader(rules.speech_model, device).read(_heard(source, rules, flaws))
    cues = [Cue(each.start_s, each.end_s, each.text) for each in said]
    for cue in merged(cues, rules, tools):
        yield replace(cue_piece(cue, {"format": "speech"}), kind=KIND)


def _heard(source: Source, rules: ChunkRules, flaws: list[Flaw]) -> Iterator[Samples]:
    """Yield the sound of a source, each second once; what is wrong with it goes to ``flaws``."""
    from crossmodal.chunking.audio.decode import windows
    from crossmodal.chunking.av_container import ANY_CONTAINERS
    from crossmodal.recognition.speech import RATE_HZ, WINDOW_S
    from crossmodal.sandbox.pool import run_in_child

    parts = run_in_child(
        windows,
        source.data,
        replace(rules, audio_window_s=WINDOW_S, audio_overlap_s=0.0),
        RATE_HZ,
        ANY_CONTAINERS,
        yields=(Piece, Flaw),
        max_seconds=rules.max_seconds,
        max_memory_bytes=rules.max_memory_bytes,
    )
    heard_s = 0.0
    for part in parts:
        if isinstance(part, Flaw):
            flaws.append(part)
            continue
        assert part.samples is not None, "a window without samples"
        # The last window is as long as the others and begins before the end of the one before.
        again = max(0, round((heard_s - part.position["start_s"]) * RATE_HZ))
        yield part.samples[again:]
        heard_s = part.position["end_s"]
