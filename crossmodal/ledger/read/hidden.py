"""Read what moderation hides: which chunks no search shows unless it is asked for them.

A picture and the words that were recognised in it are hidden together, whichever of them was found.
What is cut anew is known again by its content, its place and its words: a file whose chunks have
other numbers now stays as hidden as it was.
Invariant: nothing is kept between two reads, so that a decision counts, and its undoing too, with
the next search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmodal.ledger.read.conditions import Field, Part

if TYPE_CHECKING:
    import duckdb

SPOT = (
    "concat_ws('|', c.kind, c.meta ->> '$.page', c.meta ->> '$.box', c.meta ->> '$.start_s', "
    "c.meta ->> '$.rows', md5(c.text))"
)
"""What tells a chunk ``c`` from the others of its content, however they are numbered."""
_WITH_THEIR_WORDS = """
SELECT o.chunk_id FROM chunk c JOIN chunk o
    ON o.content_hash = c.content_hash AND o.chunker = c.chunker
    AND CASE o.kind WHEN 'ocr' THEN o.parent ELSE o.ordinal END
        = CASE c.kind WHEN 'ocr' THEN c.parent ELSE c.ordinal END
WHERE c.chunk_id IN ({found})
"""
_FOUND = f"""
SELECT f.chunk_id FROM finding f WHERE f.is_hidden
UNION
SELECT c.chunk_id FROM finding f JOIN chunk c ON c.content_hash = f.evidence ->> '$.content_hash'
WHERE f.is_hidden AND {SPOT} = f.evidence ->> '$.spot'
"""
_ANY = "SELECT 1 FROM finding WHERE is_hidden LIMIT 1"
_HIDDEN = _WITH_THEIR_WORDS.format(found=_FOUND)
_CONDITIONS = {
    "no": f"chunk_id NOT IN ({_HIDDEN})",
    "yes": f"chunk_id IN ({_HIDDEN})",
    "any": "true",
}


def hidden_chunks(con: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    """Return the ids of chunks that a policy or a decision hides, ascending."""
    if not con.execute(_ANY).fetchone():  # as a rule, and then the chunks are not gone through
        return ()
    return tuple(sorted({row[0] for row in con.execute(_HIDDEN).fetchall()}))


def _hidden(operator: str, value: str, name: str) -> Part:
    if value.lower() not in _CONDITIONS:
        raise ValueError(value)
    return _CONDITIONS[value.lower()], {}


HIDDEN_FIELD = Field(("=",), "hidden=any", "no, yes or any", _hidden)
