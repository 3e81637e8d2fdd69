"""Implement the three operators of a shard's query: read, decode, forward.

Owns what happens to one batch of rows and how it is timed; refuses to know Daft. What an earlier
operator refused passes through untouched; only decode gives back other rows than it got, the
chunks of each source.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from crossmodal.embedding.batch_size import batch_rule
from crossmodal.embedding.cut import Cutter
from crossmodal.embedding.encode import ChunkEncoding
from crossmodal.embedding.items import Item
from crossmodal.embedding.options import EmbedOptions
from crossmodal.encoders.forward import choose_device, num_passes, on_one_core
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.errors import Refused
from crossmodal.files.read import is_remote, read_source
from crossmodal.records import Span

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
    progress: Callable[[int], None]
    cutter: Cutter = field(init=False)
    encoding: ChunkEncoding = field(init=False)
    _device: str = field(init=False)
    _turns: threading.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        weight = self.options.chunk_rules.caption_weight
        device = choose_device(self.encoders.device)
        object.__setattr__(self, "_device", device)
        object.__setattr__(self, "_turns", threading.Semaphore(num_passes(device)))
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

    def read(self, items: list[Item]) -> list[Item]:
        """Read the files; remote ones side by side."""
        with self._timed("read", items):
            if not any(is_remote(item.uri) for item in items):
                return [self._read_one(item) for item in items]
            with ThreadPoolExecutor(_NUM_DOWNLOADS) as pool:
                return list(pool.map(self._read_one, items))

    def decode(self, items: list[Item]) -> list[list[Item]]:
        """Cut each source into chunks that the encoders take."""
        with on_one_core(), self._timed("decode", _alive(items)):
            return [[item] if item.reason else self._decode_one(item) for item in items]

    def forward(self, items: list[Item]) -> list[Item]:
        """Turn chunks into vectors, running as many batches in parallel as the device can."""
        rows = [row for row, item in enumerate(items) if not item.reason]
        done = list(items)
        if rows:
            alive = [items[row] for row in rows]
            # Waiting for the turn is not the model's work, so the clock starts inside.
            with self._turns, on_one_core(), self._timed("forward", alive):
                for modality, part in self._passes(alive):
                    encoded = self.encoding.encode(modality, [alive[place] for place in part])
                    for place, item in zip(part, encoded, strict=True):
                        done[rows[place]] = item
        self.progress(sum(item.last for item in items))
        return done

    def _passes(self, items: list[Item]) -> Iterator[tuple[str, list[int]]]:
        """Yield, for each forward pass, its modality and the indices of its items."""
        for modality in sorted({item.modality for item in items}):
            places = [place for place, item in enumerate(items) if item.modality == modality]
            size = self._pass_rows(modality)
            yield from ((modality, places[i : i + size]) for i in range(0, len(places), size))

    def _pass_rows(self, modality: str) -> int:
        if self.options.batch_size:
            return self._rule
        return self.options.found_batches.get(modality, self._rule)

    @property
    def _rule(self) -> int:
        return batch_rule(self._device, self.options.batch_size)

    def _read_one(self, item: Item) -> Item:
        if item.size_bytes > self.options.max_file_bytes:
            limit = f"{item.size_bytes:,} bytes; the limit is {self.options.max_file_bytes:,}"
            return item.refused("read", Refused("too_large", limit))
        if item.size_bytes > LARGE_FILE_BYTES:
            return item
        try:
            return replace(item, payload=self._bytes_of(item))
        except Refused as refusal:
            return item.refused("read", refusal)

    def _decode_one(self, item: Item) -> list[Item]:
        try:
            data = self._bytes_of(item) if item.payload is None else item.payload
        except Refused as refusal:
            return [item.refused("read", refusal)]
        return self.cutter.cut(replace(item, payload=None), data)

    def _bytes_of(self, item: Item) -> bytes:
        return read_source(item.uri, self.options.max_file_bytes, item.content_hash)

    @contextmanager
    def _timed(self, operator: str, items: Iterable[Item]) -> Iterator[None]:
        counted = list(items)
        started_s, clock = time.time(), time.perf_counter()
        yield
        self.record(
            Span(
                stage="embed",
                operator=operator,
                worker=threading.current_thread().name,
                started_s=started_s,
                wall_s=time.perf_counter() - clock,
                num_items=len(counted),
                num_bytes=sum(item.size_bytes for item in counted),
            )
        )


def _alive(items: Iterable[Item]) -> list[Item]:
    return [item for item in items if not item.reason]
