"""Add the passages that are spoken in a source's sound to what its chunker found.

Owns which sources are listened to, and that subtitles win: a film with a subtitle track, or a film
or recording with a subtitle file beside it, is not. What was said comes after everything else of
its source.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused

if TYPE_CHECKING:
    from crossmodal.chunking.audio.windows import Samples

KIND = "speech"
SUBTITLES = (".srt", ".vtt", ".ass", ".ssa")


def with_spoken(
    pieces: Iterable[Piece | Flaw], source: Source, rules: ChunkRules, tools: CutTools, device: str
) -> Iterator[Piece | Flaw]:
    """Yield the pieces, then a passage of kind ``speech`` for each stretch of what is said.

    Raises:
        Refused: nothing else of the source is found, and nobody speaks in it.
    """
    is_empty, has_words = True, has_subtitles(source.uri)
    for piece in pieces:
        is_empty = False
        has_words = has_words or (isinstance(piece, Piece) and piece.kind == "cue")
        yield piece
    if has_words:
        return
    for passage in _spoken(source, rules, tools, device):
        is_empty = False
        yield passage
    if is_empty:
        raise Refused("no_content", "no speech was recognised in it")


def has_subtitles(uri: str) -> bool:
    """Return whether a file of subtitles lies beside a local source: talk.srt, talk.en.vtt."""
    if "://" in uri:
        return False
    path = Path(uri)
    folder, stem = path.parent, path.stem
    return any(
        each.suffix.lower() in SUBTITLES
        and each.stem.removesuffix(Path(each.stem).suffix) in (stem, each.stem)
        and each.name.startswith(stem + ".")
        for each in folder.glob(f"{_literal(stem)}.*")
    )


def _literal(stem: str) -> str:
    import glob

    return glob.escape(stem)


def _spoken(
    source: Source, rules: ChunkRules, tools: CutTools, device: str
) -> Iterator[Piece | Flaw]:
    from crossmodal.chunking.subtitles.cues import Cue, merged
    from crossmodal.chunking.subtitles.cut import cue_piece
    from crossmodal.recognition.speech import speech_reader

    reader = speech_reader(rules.speech_model, device)
    cues = [Cue(said.start_s, said.end_s, said.text) for said in reader.read(_heard(source, rules))]
    for cue in merged(cues, rules, tools):
        yield replace(cue_piece(cue, {"format": "speech"}), kind=KIND)


def _heard(source: Source, rules: ChunkRules) -> Iterator[Samples]:
    """Yield the sound of a source, each second once; nothing where it has none."""
    from crossmodal.chunking.audio.decode import windows
    from crossmodal.chunking.av_container import ANY_CONTAINERS
    from crossmodal.recognition.speech import RATE_HZ, WINDOW_S
    from crossmodal.sandbox.pool import run_in_child

    rules = replace(rules, audio_window_s=WINDOW_S, audio_overlap_s=0.0)
    heard_s = 0.0
    try:
        for part in run_in_child(
            windows,
            source.data,
            rules,
            RATE_HZ,
            ANY_CONTAINERS,
            yields=(Piece, Flaw),
            max_seconds=rules.max_seconds,
            max_memory_bytes=rules.max_memory_bytes,
        ):
            if isinstance(part, Flaw) or part.samples is None:
                continue
            # The last window is as long as the others and begins before the end of the one before.
            again = max(0, round((heard_s - part.position["start_s"]) * RATE_HZ))
            yield part.samples[again:]
            heard_s = part.position["end_s"]
    except Refused:
        return  # no sound in it: told by its own chunker where that is a fault
