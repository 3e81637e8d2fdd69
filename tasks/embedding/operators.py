"""Do the work of the three operators of a shard's query: read, decode, forward.

Owns what happens to one batch of rows and how it is timed; refuses to know Daft. Every operator
gives back exactly the rows it got: what an earlier operator refused passes through untouched.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from tasks.chunking.refusal import Refused
from tasks.embedding.options import EmbedOptions
from tasks.embedding.read import is_remote, read_source
from tasks.records import Span

if TYPE_CHECKING:
    from tasks.embedding.encoder import Encoder

# A larger file is read where it is decoded, so that few large files are in memory at once.
LARGE_FILE_BYTES = 8_000_000
_NUM_DOWNLOADS = 8


@dataclass(frozen=True, slots=True)
class Item:
    """Carry one source through the operators: its payload so far, or why it was refused."""

    uri: str
    content_hash: str
    size_bytes: int
    payload: bytes | None = None
    """The file's bytes after read, uint8 pixels after decode, a float32 vector after forward."""
    meta: str = "{}"
    stage: str | None = None
    reason: str | None = None
    detail: str | None = None
    transient: bool | None = None

    def refused(self, stage: str, refusal: Refused) -> Item:
        """Return the item as refused by a stage."""
        return replace(
            self,
            payload=None,
            stage=stage,
            reason=refusal.reason,
            detail=refusal.detail,
            transient=refusal.transient,
        )


@dataclass(frozen=True, slots=True)
class ShardOperators:
    """Work on batches of one shard; called by several threads at once."""

    encoder: Encoder
    options: EmbedOptions
    record: Callable[[Span], None]
    progress: Callable[[int], None]
    _forward_turn: threading.Lock = field(default_factory=threading.Lock)

    def read(self, items: list[Item]) -> list[Item]:
        """Read the files; remote ones side by side."""
        with self._timed("read", items):
            if not any(is_remote(item.uri) for item in items):
                return [self._read_one(item) for item in items]
            with ThreadPoolExecutor(_NUM_DOWNLOADS) as pool:
                return list(pool.map(self._read_one, items))

    def decode(self, items: list[Item]) -> list[Item]:
        """Turn the bytes into the pixels that the model takes."""
        with self._timed("decode", _alive(items)):
            return [item if item.reason else self._decode_one(item) for item in items]

    def forward(self, items: list[Item]) -> list[Item]:
        """Turn pixels into vectors, one batch at a time."""
        rows = [row for row, item in enumerate(items) if not item.reason]
        done = list(items)
        if rows:
            # Waiting for the turn is not the model's work, so the clock starts inside.
            with self._forward_turn, self._timed("forward", [items[row] for row in rows]):
                embedded = self._forward_some([items[row] for row in rows])
            for row, item in zip(rows, embedded, strict=True):
                done[row] = item
        self.progress(len(items))
        return done

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

    def _decode_one(self, item: Item) -> Item:
        try:
            data = self._bytes_of(item) if item.payload is None else item.payload
        except Refused as refusal:
            return item.refused("read", refusal)
        try:
            return self._decoded(item, data)
        except Refused as refusal:
            return item.refused("decode", refusal)
        except MemoryError:
            message = "preparing its pixels needs more memory than there is"
            return item.refused("decode", Refused("out_of_memory", message))

    def _decoded(self, item: Item, data: bytes) -> Item:
        from tasks.chunking.image import ImageLimits, decode

        preprocess = self.encoder.preprocess
        decoded = decode(data, ImageLimits(self.options.max_megapixels, preprocess.min_side))
        meta = {"width": decoded.width, "height": decoded.height, "format": decoded.format}
        pixels = preprocess.apply(decoded.image)
        return replace(item, payload=pixels.tobytes(), meta=json.dumps(meta))

    def _forward_some(self, items: list[Item]) -> list[Item]:
        payloads = b"".join(item.payload or b"" for item in items)
        shape = (len(items), *self.encoder.image_size, 3)
        encoded = self.encoder.encode_images(np.frombuffer(payloads, np.uint8).reshape(shape))
        assert encoded.vectors.shape == (len(items), self.encoder.version.dim)
        vectors = [
            replace(item, payload=vector.tobytes())
            for item, vector in zip(items, encoded.vectors, strict=True)
        ]
        for row, failure in encoded.failed.items():
            refusal = Refused(failure.reason, failure.detail)
            vectors[row] = vectors[row].refused("embed", refusal)
        return vectors

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
