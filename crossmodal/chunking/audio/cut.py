"""Cut a recording into windows of sound.

Owns recordings as sources; what is said in them is written down elsewhere. A transcript beside a
recording is a source of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from crossmodal.chunking.audio.windows import check_rules
from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused
from crossmodal.sandbox.pool import run_in_child

REVISION = 1
MEDIA_PATTERNS = ("audio/*",)


def cut(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece | Flaw]:
    """Yield windows of kind ``window``, mono at ``tools.sample_rate_hz``.

    Raises:
        Refused: The file is no recording, holds no sound, or makes too many chunks.
        ValueError: The overlap of the rules is about as long as the window.
    """
    from crossmodal.chunking.audio.decode import windows

    check_rules(rules)
    if not source.data:
        raise Refused("empty", "the file has no bytes")
    num_windows = 0
    for part in run_in_child(
        windows,
        source.data,
        rules,
        tools.sample_rate_hz,
        yields=(Piece, Flaw),
        max_seconds=rules.max_seconds,
        max_memory_bytes=rules.max_memory_bytes,
    ):
        num_windows += isinstance(part, Piece)
        if num_windows > rules.max_chunks:
            raise Refused(
                "too_many_chunks", f"the recording makes more than {rules.max_chunks} windows"
            )
        yield part
