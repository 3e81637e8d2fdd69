"""Read what moderation hides: which chunks no search shows unless it is asked for them.

A picture and the words that were recognised in it are hidden together, whichever of them was found.
Invariant: nothing is kept between two reads, so that a decision counts, and its undoing too, with
the next search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmodal.ledger.read.conditions import Field, Part

if TYPE_CHECKING:
    import duckdb

_WITH_THEIR_WORDS = """
SELECT o.chunk_id FROM chunk c JOIN chunk o
    ON o.content_hash = c.content_hash AND o.chunker = c.chunker
    AND CASE o.kind WHEN 'ocr' THEN o.parent ELSE o.ordinal END
        = CASE c.kind WHEN 'ocr' THEN c.parent ELSE c.ordinal END
WHERE c.chunk_id IN ({found})
"""
_FOUND = "SELECT chunk_id FROM finding WHERE is_hidden"
_HIDDEN = _WITH_THEIR_WORDS.format(found=_FOUND)
_CONDITIONS = {
    "no": f"chunk_id NOT IN ({_HIDDEN})",
    "yes": f"chunk_id IN ({_HIDDEN})",
    "any": "true",
}


def hidden_chunks(con: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    """Return the ids of chunks that a policy or a decision hides, ascending."""
    found = [row[0] for row in con.execute(_FOUND).fetchall()]
    if not found:  # as a rule, and then the chunks are not gone through
        return ()
    sql = _WITH_THEIR_WORDS.format(found="SELECT unnest($found::BIGINT[])")
    return tuple(sorted({row[0] for row in con.execute(sql, {"found": found}).fetchall()}))


def _hidden(operator: str, value: str, name: str) -> Part:
    if value.lower() not in _CONDITIONS:
        raise ValueError(value)
    return _CONDITIONS[value.lower()], {}


HIDDEN_FIELD = Field(("=",), "hidden=any", "no, yes or any", _hidden)
