"""Turn the bytes of one source into chunks that the encoders take.

Owns the order and the limits of a source's chunks; refuses to know how a source is cut, which is
its chunker's business, and what travels to the model, which its modality says.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
from crossmodal.chunking.registry import chunker_of
from crossmodal.embedding.heard import with_sound
from crossmodal.embedding.modalities import HANDLING
from crossmodal.embedding.modalities.row import Preparing
from crossmodal.embedding.options import EmbedOptions
from crossmodal.embedding.rows import CutChunk, ReadSource, Refusal, chunk_name
from crossmodal.embedding.spoken import with_spoken
from crossmodal.embedding.written import legible, with_written
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.errors import Refused
from crossmodal.records import SECTION_SEPARATOR


@dataclass(frozen=True)
class Cutter:
    """Cut sources for one line-up under one set of rules; called by several threads at once."""

    encoders: Encoders
    options: EmbedOptions

    def cut(self, source: ReadSource, data: bytes) -> list[CutChunk | Refusal]:
        """Return the source's chunks in reading order, or why it was refused.

        Parts that could not be used come as refusals among them.
        """
        try:
            rows = list(self._chunks(source, data))
        except Refused as refusal:
            return [source.refused("decode", refusal)]
        except MemoryError:
            message = "cutting it needs more memory than there is"
            return [source.refused("decode", Refused("out_of_memory", message))]
        if isinstance(rows[0], CutChunk):
            rows[0] = replace(rows[0], size_bytes=source.size_bytes)
        return rows

    @cached_property
    def _tools(self) -> CutTools:
        return self.encoders.tools()

    @cached_property
    def _preparing(self) -> Preparing:
        return Preparing(self.encoders, self.options)

    def _chunks(self, read: ReadSource, data: bytes) -> Iterator[CutChunk | Refusal]:
        rules, chunker = self.options.chunk_rules, chunker_of(read.chunker)
        source = Source(read.uri, read.media_type, data)
        ordinal = 0
        serving = self.encoders.lineup.serving
        reads = rules.ocr and "text" in serving
        pieces = chunker.cut(source, rules, legible(self._tools) if reads else self._tools)
        if chunker.embeds_sound and "audio" in serving:
            pieces = with_sound(pieces, source, rules, self._tools)
        if reads:
            pieces = with_written(pieces, rules, self._tools)
        if rules.speech_model and chunker.has_sound and "text" in serving:
            pieces = with_spoken(pieces, source, rules, self._tools, self.options.device)
        for piece in pieces:
            if isinstance(piece, Flaw):
                yield read.refused("decode", Refused(piece.reason, piece.detail), piece.part)
                continue
            if ordinal == rules.max_chunks:
                limit = f"it gives more than {rules.max_chunks:,} chunks, which is the limit"
                raise Refused("too_many_chunks", limit)
            yield self._prepared(read, piece, ordinal)
            ordinal += 1
        if not ordinal:
            raise Refused("no_content", "there is nothing in it to search for")

    def _prepared(self, source: ReadSource, piece: Piece, ordinal: int) -> CutChunk | Refusal:
        facts: dict[str, Any] = {}
        try:
            payload = HANDLING[piece.modality].payload(piece, self._preparing, facts)
        except Refused as refusal:
            return source.refused("decode", refusal, chunk_name(piece.kind, ordinal))
        return CutChunk(
            uri=source.uri,
            content_hash=source.content_hash,
            chunker=source.chunker,
            ordinal=ordinal,
            kind=piece.kind,
            modality=piece.modality,
            parent=piece.parent,
            section=SECTION_SEPARATOR.join(piece.section),
            text=piece.text,
            meta=json.dumps({**piece.position, **piece.facts, **facts}),
            payload=payload,
            caption=piece.caption,
        )
