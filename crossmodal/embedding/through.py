"""Count how much of a shard is through, in bytes of its sources, and name the file at work.

A source counts bit by bit, as its chunks leave the model: a table of an hour among a thousand
pictures moves the bar and the estimate, where a count of files would stand still.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from crossmodal.embedding.rows import CutChunk, PlannedSource, ReadSource, Refusal
from crossmodal.runs.progress import Progress


@dataclass(slots=True)
class _Source:
    size_bytes: int
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
        """Remember how large the sources are."""
        if self.progress is None:
            return
        with self._lock:
            self._sources |= {source.uri: _Source(source.size_bytes) for source in sources}

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
        """Return the bytes that a row stands for; forget its source with its last row."""
        source = self._sources[uri]
        source.num_through += 1
        if source.num_through == source.num_rows:
            del self._sources[uri]
        return source.size_bytes / source.num_rows
