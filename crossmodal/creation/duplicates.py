"""Find sources that are one and the same thing: by content, by looks, by meaning.

Each way looks only at what the stricter one left, so a source is dropped once at most. A group is a
keeper and what lies near to that keeper, never a chain: what is near to a copy need not be near to
the original. Nothing is deleted here: who keeps what is for a person to decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crossmodal.creation.groups import (
    WAYS,
    Duplicates,
    How,
    Item,
    grouped,
    same_content,
    ways_named,
)
from crossmodal.creation.likeness import alike_by_looks, alike_by_meaning, hash_new_pictures
from crossmodal.creation.near_hashes import MAX_BITS
from crossmodal.errors import FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.filters import Where, where_in

if TYPE_CHECKING:
    import duckdb

MIN_COSINE = 0.97
MAX_DIFFERENT_BITS = 6

# The larger picture is kept, then the larger file, the older one, the shorter name. Empty files are
# alike for no reason of theirs: every package of Python has some.
_ITEMS = """
SELECT s.uri, s.content_hash, s.size_bytes, c.chunk_id
FROM source s
LEFT JOIN (
    SELECT content_hash, min(chunk_id) AS chunk_id, count(*) AS num, any_value(meta) AS meta
    FROM chunk WHERE kind <> 'region' GROUP BY content_hash HAVING num = 1) c USING (content_hash)
WHERE s.content_hash IS NOT NULL AND s.size_bytes > 0 AND {condition}
ORDER BY coalesce(TRY_CAST(json_extract_string(c.meta, 'width') AS BIGINT)
    * TRY_CAST(json_extract_string(c.meta, 'height') AS BIGINT), 0) DESC,
    s.size_bytes DESC, s.mtime_ns, length(s.uri), s.uri
"""


def duplicates(
    collection: str,
    ways: Sequence[How] = WAYS,
    where: Sequence[str] = (),
    max_bits: int = MAX_DIFFERENT_BITS,
    min_cosine: float = MIN_COSINE,
) -> Duplicates:
    """Return the sources that are the same thing as another one.

    Pictures are decoded once and their hashes kept in the collection. Sources of several chunks, as
    long documents and films, are compared by content only.

    Raises:
        FilterError: a way, a bound or a condition cannot be understood.
    """
    _check(ways, max_bits, min_cosine)
    opened = Collection(collection)
    with opened.read() as con:
        condition = where_in(con, where)
    if "looks" in ways:
        hash_new_pictures(opened)
    with opened.read() as con:
        items = _items(con, condition)
        groups, left = same_content(items)
        groups = groups if "content" in ways else []
        if "looks" in ways:
            found, left = grouped("looks", left, alike_by_looks(con, left, max_bits))
            groups += found
        if "meaning" in ways:
            found, left = grouped("meaning", left, alike_by_meaning(con, opened, left, min_cosine))
            groups += found
    return Duplicates(groups, len(items))


def _check(ways: Sequence[How], max_bits: int, min_cosine: float) -> None:
    ways_named(ways)
    if not 0 <= max_bits <= MAX_BITS:
        raise FilterError(f"{max_bits} different bits: give 0 to {MAX_BITS} of 64")
    if not 0.5 <= min_cosine <= 1:
        raise FilterError(f"a cosine of {min_cosine} or more says little: give 0.5 to 1")


def _items(con: duckdb.DuckDBPyConnection, where: Where) -> list[Item]:
    """Return every source that was read and holds something, those to be kept rather first."""
    sql = _ITEMS.format(condition=where.sql)
    rows = con.execute(sql, where.bound(sql)).fetchall()
    return [Item(*row) for row in rows]
