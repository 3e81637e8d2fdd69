"""Count how much of a shard is through, in expected chunks, and name the file at work.

A source counts bit by bit, as its chunks leave the model: a table of an hour among a thousand
pictures moves the bar and the estimate, where a count of files would stand still. Bytes would not
do either: a photo has as many as a hundred passages, and one forward pass.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from crossmodal.embedding.rows import CutChunk, PlannedSource, ReadSource, Refusal
from crossmodal.runs.progress import Progress

_BYTES_A_CHUNK = {
    "text/html": 3_000,
    "text": 450,
    "application/pdf": 5_000,
    "application": 20_000,
    "video": 130_000,
    "audio": 100_000,
}
"""By media type, or its first half. Of audio a guess, else what the files of benchmarks.mixed have
for each chunk that they are cut into by default."""


def expected_chunks(media_type: str, size_bytes: int) -> float:
    """Return roughly how many chunks a source will be cut into, at least 1, before it is read."""
    family = media_type.partition("/")[0]
    if family == "image":
        return 1.0
    size = _BYTES_A_CHUNK.get(media_type) or _BYTES_A_CHUNK.get(family) or _BYTES_A_CHUNK["text"]
    return max(1.0, size_bytes / size)


@dataclass(slots=True)
class _Source:
    num_expected: float
    num_rows: int = 1
    num_through: int = 0


@dataclass(slots=True)
class Through:
    """Follow the sources of one shard from operator to operator; called by several threads."""

    progress: Progress | None
    """None, as on the nodes of Ray, where nobody watches: nothing is remembered."""
    _sources: dict[str, _Source] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self, sources: Sequence[PlannedSource]) -> None:
        """Remember how many chunks are expected of the sources."""
        if self.progress is None:
            return
        with self._lock:
            self._sources |= {
                source.uri: _Source(expected_chunks(source.media_type, source.size_bytes))
                for source in sources
            }

    def decoding(self, source: ReadSource) -> None:
        """Say that a source is at work."""
        if self.progress is not None:
            self.progress.begin(source.uri)

    def cut(self, uri: str, num_rows: int) -> None:
        """Remember into how many rows a source was cut."""
        if self.progress is None:
            return
        with self._lock:
            self._sources[uri].num_rows = num_rows

    def embedded(self, rows: Sequence[CutChunk | Refusal]) -> None:
        """Count rows that are through."""
        if self.progress is None:
            return
        with self._lock:
            shares = [self._share(row.uri) for row in rows]
            ended = {row.uri for row in rows if row.uri not in self._sources}
        self.progress.advance(sum(shares))
        for uri in ended:
            self.progress.end(uri)

    def _share(self, uri: str) -> float:
        """Return the expected chunks that a row stands for; forget a source with its last row."""
        source = self._sources[uri]
        source.num_through += 1
        if source.num_through == source.num_rows:
            del self._sources[uri]
        return source.num_expected / source.num_rows
