"""Add the windows of a film's sound to what its chunker found.

Owns that a film without sound is no fault, and that one whose sound is damaged keeps its pictures.
The sound comes after frames and subtitles, which count themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused


def with_sound(
    pieces: Iterable[Piece | Flaw], source: Source, rules: ChunkRules, tools: CutTools
) -> Iterator[Piece | Flaw]:
    """Yield the pieces, then windows of kind ``window`` of the sound, with their times.

    Raises:
        ValueError: the overlap of the rules is about as long as the window.
    """
    from crossmodal.chunking.audio.windows import check_rules

    check_rules(rules)
    yield from pieces
    try:
        yield from _windows(source, rules, tools)
    except Refused as refusal:
        if refusal.reason != "no_content":
            yield Flaw("sound", refusal.reason, refusal.detail)


def _windows(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece | Flaw]:
    from crossmodal.chunking.audio.decode import windows
    from crossmodal.chunking.av_container import ANY_CONTAINERS
    from crossmodal.sandbox.pool import run_in_child

    yield from run_in_child(
        windows,
        source.data,
        rules,
        tools.sample_rate_hz,
        ANY_CONTAINERS,
        yields=(Piece, Flaw),
        max_seconds=rules.max_seconds,
        max_memory_bytes=rules.max_memory_bytes,
    )
