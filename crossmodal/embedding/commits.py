"""Divide a shard into parts that are embedded, and committed, in about a minute each.

So a few slow files hold back little of what is good, and a stop loses little. Owns how much goes
into the next part, judged by bytes and by files at the pace so far; refuses to embed. Invariant:
the parts of a shard are its rows in their order, each once, and none is empty.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate

import pyarrow as pa

COMMIT_S = 60.0
"""What a stop may cost."""
_FIRST_ROWS = 64
_FIRST_BYTES = 32_000_000
_MAX_GROWTH = 8.0


@dataclass(slots=True)
class CommitSizes:
    """Choose how much of a shard is committed at once, by how long the last part took."""

    commit_s: float = COMMIT_S
    _rows: float = _FIRST_ROWS
    _bytes: float = _FIRST_BYTES

    def of(self, shard: pa.Table, name: str) -> Iterator[tuple[pa.Table, str]]:
        """Yield the parts of a shard with what a log calls them; one as late as it is asked for.

        Args:
            shard: rows of PLAN_SCHEMA.
            name: what the log calls the shard.
        """
        begin = 0
        while begin < shard.num_rows:
            size = self._size(shard["size_bytes"][begin:].to_pylist())
            whole = size == shard.num_rows
            shown = name if whole else f"{name}, sources {begin + 1} to {begin + size}"
            yield shard.slice(begin, size), shown
            begin += size

    def took(self, part: pa.Table, seconds: float) -> None:
        """Set the size of the next part by how long one took.

        One that was quick shows that more would have fitted, never that less does: it may have
        been the short rest of a shard, or of small files.
        """
        growth = min(_MAX_GROWTH, self.commit_s / max(seconds, 1e-3))
        rows, size_bytes = part.num_rows * growth, sum(part["size_bytes"].to_pylist()) * growth
        is_quick = growth >= 1
        self._rows = max(rows, self._rows if is_quick else 1.0)
        self._bytes = max(size_bytes, self._bytes if is_quick else 1.0)

    def _size(self, sizes: list[int]) -> int:
        """Return how many of the next sources fit; a rest of a few is not left for itself."""
        within = sum(total <= self._bytes for total in accumulate(sizes))
        size = max(1, min(within, int(self._rows)))
        return len(sizes) if len(sizes) <= size * 1.25 else size
