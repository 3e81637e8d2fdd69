"""Implement the three operators of a shard's query: read, decode, forward.

Owns what happens to one batch of rows and how it is timed; refuses to know Daft. What an earlier
operator refused passes through untouched; only decode gives back other rows than it got, the
chunks of each source.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from crossmodal.embedding.batch_size import batch_rule
from crossmodal.embedding.cut import Cutter
from crossmodal.embedding.encode import ChunkEncoding
from crossmodal.embedding.options import EmbedOptions
from crossmodal.embedding.rows import (
    CutChunk,
    EmbeddedChunk,
    PlannedSource,
    ReadSource,
    Refusal,
    alive,
)
from crossmodal.embedding.through import Through
from crossmodal.encoders.forward import choose_device, num_passes, on_one_core
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.errors import Refused
from crossmodal.files.read import is_remote, read_source
from crossmodal.records import Span
from crossmodal.runs.progress import Progress

# A larger file is read where it is decoded, so that few large files are in memory at once.
LARGE_FILE_BYTES = 8_000_000
_NUM_DOWNLOADS = 8
# Small parts let the first forward pass start early and bound what is read ahead.
_DECODE_ROWS = 8
_BATCHES_EACH = 4


@dataclass(frozen=True, slots=True)
class ShardOperators:
    """Work on batches of one shard; called by several threads at once."""

    encoders: Encoders
    options: EmbedOptions
    record: Callable[[Span], None]
    progress: Progress | None
    """Counts bytes of sources, and is told which file is at work."""
    cutter: Cutter = field(init=False)
    encoding: ChunkEncoding = field(init=False)
    _device: str = field(init=False)
    _turns: threading.Semaphore = field(init=False)
    _through: Through = field(init=False)

    def __post_init__(self) -> None:
        weight = self.options.chunk_rules.caption_weight
        device = choose_device(self.encoders.device)
        object.__setattr__(self, "_device", device)
        object.__setattr__(self, "_turns", threading.Semaphore(num_passes(device)))
        object.__setattr__(self, "_through", Through(self.progress))
        object.__setattr__(self, "cutter", Cutter(self.encoders, self.options))
        object.__setattr__(self, "encoding", ChunkEncoding(self.encoders, weight))

    @property
    def batch_rows(self) -> int:
        """Return the most chunks that are handed to ``forward`` at once."""
        return max(self._pass_rows(modality) for modality in self.encoders.lineup.serving)

    def decode_rows(self, num_sources: int) -> int:
        """Return how many sources to decode at a time; small shards are spread over all cores."""
        return max(1, min(_DECODE_ROWS, num_sources // (2 * num_passes("cpu"))))

    def forward_rows(self, num_sources: int) -> int:
        """Return how many chunks of a shard to hand to ``forward`` at once.

        What was found counts only as far as a shard has many such batches: with few of them cores
        would have no pass to run, and nothing would be decoded beside the first.
        """
        many = num_sources // (_BATCHES_EACH * max(2, num_passes(self._device)))
        return min(self.batch_rows, max(self._rule, many))

    def read(self, sources: list[PlannedSource]) -> list[ReadSource | Refusal]:
        """Read the files; remote ones side by side."""
        self._through.read(sources)
        with self._timed("read", sources):
            if not any(is_remote(source.uri) for source in sources):
                return [self._read_one(source) for source in sources]
            with ThreadPoolExecutor(_NUM_DOWNLOADS) as pool:
                return list(pool.map(self._read_one, sources))

    def decode(self, sources: list[ReadSource | Refusal]) -> list[list[CutChunk | Refusal]]:
        """Cut each source into chunks that the encoders take."""
        with on_one_core(), self._timed("decode", alive(sources)):
            return [[row] if isinstance(row, Refusal) else self._cut(row) for row in sources]

    def forward(self, rows: list[CutChunk | Refusal]) -> list[EmbeddedChunk | Refusal]:
        """Turn chunks into vectors, running as many batches in parallel as the device can."""
        chunks = alive(rows)
        embedded: dict[int, EmbeddedChunk | Refusal] = {}
        if chunks:
            # Waiting for the turn is not the model's work, so the clock starts inside.
            with self._turns, on_one_core(), self._timed("forward", chunks):
                for modality, places in self._passes(chunks):
                    done = self.encoding.encode(modality, [chunks[place] for place in places])
                    embedded |= zip(places, done, strict=True)
        self._through.embedded(rows)
        in_order = iter([embedded[place] for place in range(len(chunks))])
        return [row if isinstance(row, Refusal) else next(in_order) for row in rows]

    def _passes(self, chunks: list[CutChunk]) -> Iterator[tuple[str, list[int]]]:
        """Yield, for each forward pass, its modality and the indices of its chunks."""
        for modality in sorted({chunk.modality for chunk in chunks}):
            places = [place for place, chunk in enumerate(chunks) if chunk.modality == modality]
            size = self._pass_rows(modality)
            yield from ((modality, places[i : i + size]) for i in range(0, len(places), size))

    def _pass_rows(self, modality: str) -> int:
        if self.options.batch_size:
            return self._rule
        return self.options.found_batches.get(modality, self._rule)

    @property
    def _rule(self) -> int:
        return batch_rule(self._device, self.options.batch_size)

    def _read_one(self, source: PlannedSource) -> ReadSource | Refusal:
        if source.size_bytes > self.options.max_file_bytes:
            limit = f"{source.size_bytes:,} bytes; the limit is {self.options.max_file_bytes:,}"
            return source.refused("read", Refused("too_large", limit))
        try:
            data = None if source.size_bytes > LARGE_FILE_BYTES else self._bytes_of(source)
        except Refused as refusal:
            return source.refused("read", refusal)
        return source.read(data)

    def _cut(self, source: ReadSource) -> list[CutChunk | Refusal]:
        self._through.decoding(source)
        rows = self._decode_one(source)
        self._through.cut(source.uri, len(rows))
        return rows

    def _decode_one(self, source: ReadSource) -> list[CutChunk | Refusal]:
        try:
            data = self._bytes_of(source) if source.data is None else source.data
        except Refused as refusal:
            return [source.refused("read", refusal)]
        return self.cutter.cut(source, data)

    def _bytes_of(self, source: PlannedSource) -> bytes:
        return read_source(source.uri, self.options.max_file_bytes, source.content_hash)

    @contextmanager
    def _timed(self, operator: str, rows: Sequence[PlannedSource | CutChunk]) -> Iterator[None]:
        started_s, clock = time.time(), time.perf_counter()
        yield
        self.record(
            Span(
                stage="embed",
                operator=operator,
                worker=threading.current_thread().name,
                started_s=started_s,
                wall_s=time.perf_counter() - clock,
                num_items=len(rows),
                num_bytes=sum(row.size_bytes for row in rows),
            )
        )
