"""Cut a film into the frames that stand for it, or into clips, and the words of its subtitles.

Owns the order of a film's chunks: frames or clips first, then passages of each subtitle track, each
of which belongs to the one shown when it begins. Refuses to listen: speech, and the sound of a
film, are added elsewhere. Animated pictures are images, not films.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from itertools import groupby

from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.subtitles.cues import Cue, merged
from crossmodal.chunking.subtitles.cut import cue_piece
from crossmodal.errors import Refused
from crossmodal.sandbox.pool import run_in_child

REVISION = 1
MEDIA_PATTERNS = ("video/*",)


def cut(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece | Flaw]:
    """Yield frames of kind ``frame`` or clips of kind ``clip``, then passages of kind ``cue``.

    Raises:
        Refused: The file is no film, holds no frame, or makes too many chunks; or clips are wanted
            of a model that takes none.
    """
    starts_s: list[float] = []
    cues: list[Cue] = []
    flaws: list[Flaw] = []
    for part in _parts(source, rules, tools):
        if isinstance(part, Cue):
            cues.append(part)
        elif isinstance(part, Flaw):
            flaws.append(part)
        else:
            starts_s.append(part.position["start_s"])
            _check_number(len(starts_s), rules)
            yield part
    for number, cue in enumerate(_passages(cues, rules, tools), 1):
        _check_number(len(starts_s) + number, rules)
        shown = max(0, bisect_right(starts_s, cue.start_s) - 1)
        yield cue_piece(cue, {"format": "track"}, parent=shown)
    yield from flaws


def _parts(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece | Cue | Flaw]:
    if not source.data:
        raise Refused("empty", "the file has no bytes")
    if rules.clips and tools.clip is None:
        raise Refused("no_clips", "the model takes no clips, or frames of clips unlike pictures")
    from crossmodal.chunking.video.decode import frames

    return run_in_child(
        frames,
        source.data,
        rules,
        tools.min_side,
        tools.clip if rules.clips else None,
        yields=(Piece, Cue, Flaw),
        max_seconds=rules.max_seconds,
        max_memory_bytes=rules.max_memory_bytes,
    )


def _passages(cues: list[Cue], rules: ChunkRules, tools: CutTools) -> Iterator[Cue]:
    in_order = sorted(cues, key=lambda cue: cue.track)
    for _, track in groupby(in_order, key=lambda cue: cue.track):
        yield from merged(track, rules, tools)


def _check_number(number: int, rules: ChunkRules) -> None:
    if number > rules.max_chunks:
        raise Refused("too_many_chunks", f"the film makes more than {rules.max_chunks} chunks")
