"""Say what a query of a pair could find: the gallery, whose size every recall depends on.

Owns the identity of an item: a content, a labelled moment of a film, or a record of a JSON Lines
file. Invariant: an id holds no blank, so that runs can be written as TREC files.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from crossmodal.evaluation.locate import Located
from crossmodal.evaluation.sets import Target
from crossmodal.ledger.read.filters import Where
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import Hit, VectorList

_MIN_OVERLAP_S = 0.2
"""Less of a moment is the frame on its border."""
_ID_LETTERS = 24

_HELD = """
SELECT DISTINCT content_hash FROM source
WHERE {where} AND content_hash IN
    (SELECT content_hash FROM chunk WHERE chunk_id IN ({chunks}))
"""


@dataclass(frozen=True, slots=True)
class Items:
    """Know which item a hit is: whole contents, but for those that a set divides."""

    moments: dict[str, dict[str, tuple[float, float]]] = field(default_factory=dict)
    """By content hash the labelled moments: by item id from when to when, in seconds."""
    recorded: frozenset[str] = frozenset()
    """Content hashes of files whose records are the items."""

    @property
    def divided(self) -> bool:
        """Say whether some contents hold several items, so that every chunk is a hit."""
        return bool(self.moments or self.recorded)

    def of(self, hit: Hit, content_hash: str) -> list[str]:
        """Return the items that a hit shows; outside of all moments it is its own."""
        whole = whole_item(content_hash)
        if content_hash in self.recorded:
            first, stop = hit.meta.get("rows", (0, 0))
            return [f"{whole}@{row}" for row in range(first, stop)] or [f"{whole}@none"]
        if content_hash in self.moments:
            begin, end = _times(hit.meta)
            inside = [
                item
                for item, (start_s, end_s) in self.moments[content_hash].items()
                if begin < end_s - _MIN_OVERLAP_S and end > start_s + _MIN_OVERLAP_S
            ]
            return inside or [f"{whole}@chunk{hit.chunk_id}"]
        return [whole]


def whole_item(content_hash: str) -> str:
    """Return the id of a content as an item."""
    return content_hash[:_ID_LETTERS]


def item_of(target: Target, located: Located) -> str:
    """Return the id of what a set names."""
    whole = whole_item(located.content_hash)
    if target.start_s >= 0:
        return f"{whole}@{round(target.start_s * 1000)}-{round(target.end_s * 1000)}"
    is_record = target.row >= 0 and located.uri.endswith(target.path.rsplit("/", 1)[-1])
    return f"{whole}@{target.row}" if is_record else whole


def items_of(located: dict[Target, Located]) -> Items:
    """Return how the contents that a set names are divided."""
    moments: dict[str, dict[str, tuple[float, float]]] = defaultdict(dict)
    recorded = set()
    for target, place in located.items():
        item = item_of(target, place)
        if target.start_s >= 0:
            moments[place.content_hash][item] = (target.start_s, target.end_s)
        elif "@" in item:
            recorded.add(place.content_hash)
    return Items(dict(moments), frozenset(recorded))


def gallery(
    con: duckdb.DuckDBPyConnection, lists: Sequence[VectorList], where: Where, items: Items
) -> set[str]:
    """Return the ids of all items that have a vector in one of the lists and pass the filter."""
    chunks = " UNION ALL ".join(f"SELECT chunk_id FROM {table_of(held)}" for held in lists)
    if not chunks:
        return set()
    sql = _HELD.format(where=where.sql, chunks=chunks)
    found: set[str] = set()
    for (content_hash,) in con.execute(sql, where.params or None).fetchall():
        if content_hash in items.recorded:
            found.update(_records(con, content_hash, chunks))
        elif content_hash in items.moments:
            found.update(items.moments[content_hash])
        else:
            found.add(whole_item(content_hash))
    return found


def digest_of(gallery: Iterable[str]) -> str:
    """Return SHA-256 over the ids, hex: galleries with the same items have the same one."""
    return hashlib.sha256("\n".join(sorted(gallery)).encode()).hexdigest()


def _records(con: duckdb.DuckDBPyConnection, content_hash: str, chunks: str) -> set[str]:
    rows = con.execute(
        f"SELECT DISTINCT meta FROM chunk WHERE content_hash = ? AND chunk_id IN ({chunks})",
        [content_hash],
    ).fetchall()
    spans = (json.loads(meta).get("rows", (0, 0)) for (meta,) in rows)
    whole = whole_item(content_hash)
    return {f"{whole}@{row}" for first, stop in spans for row in range(first, stop)}


def _times(meta: dict[str, Any]) -> tuple[float, float]:
    start = float(meta.get("start_s", meta.get("frame_s", -1.0)))
    return start, float(meta.get("end_s", start + 2 * _MIN_OVERLAP_S))
