"""Cut a subtitle file into passages that know when they are spoken.

Owns subtitle files as sources of their own; which film they belong to is found when searching, by
their name. Refuses to read pictures of text.
"""

from __future__ import annotations

from collections.abc import Iterator

from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.chunking.subtitles.cues import Cue, merged
from crossmodal.chunking.subtitles.formats import Subtitles, parse_bytes
from crossmodal.errors import Refused
from crossmodal.sandbox.pool import run_in_child

REVISION = 1
MEDIA_PATTERNS = (
    "application/x-subrip",
    "text/vtt",
    "text/x-ssa",
    "text/x-ass",
    "application/x-ass",
)
_MAX_BYTES = 50_000_000


def cut(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece | Flaw]:
    """Yield passages of kind ``cue`` in order of time.

    Raises:
        Refused: The file is empty, too large, no text, or holds no cue.
    """
    if not source.data:
        raise Refused("empty", "the file has no bytes")
    if len(source.data) > _MAX_BYTES:
        raise Refused(
            "too_large", f"{len(source.data) / 1e6:.0f} MB of subtitles; the limit is 50 MB"
        )
    (found,) = run_in_child(
        parse_bytes,
        source.data,
        yields=(Subtitles,),
        max_seconds=rules.max_seconds,
        max_memory_bytes=rules.max_memory_bytes,
    )
    if not found.cues:
        raise Refused("no_content", _why_no_cue(found))
    for number, cue in enumerate(merged(found.cues, rules, tools), 1):
        if number > rules.max_chunks:
            raise Refused("too_many_chunks", f"more than {rules.max_chunks} passages of subtitles")
        yield cue_piece(cue, {"format": found.format})
    if found.num_bad:
        lines = ", ".join(map(str, found.bad_lines))
        yield Flaw(
            "cues", "bad_timing", f"{found.num_bad} cues without possible times (lines {lines})"
        )


def cue_piece(cue: Cue, facts: dict[str, str], parent: int | None = None) -> Piece:
    """Return the chunk of one merged cue."""
    language = {"language": cue.language} if cue.language else {}
    return Piece(
        kind="cue",
        modality="text",
        text=cue.text,
        parent=parent,
        position={"start_s": round(cue.start_s, 3), "end_s": round(cue.end_s, 3)},
        facts={**facts, **language},
    )


def _why_no_cue(found: Subtitles) -> str:
    if found.num_bad:
        return f"none of {found.num_bad} subtitles has a possible time"
    return "the file holds no subtitle with text"
