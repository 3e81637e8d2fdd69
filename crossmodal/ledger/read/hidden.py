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
_HASHES = """
SELECT content_hash FROM chunk WHERE chunk_id IN (SELECT chunk_id FROM finding WHERE is_hidden)
UNION SELECT content_hash FROM finding WHERE is_hidden
"""
_ALL = f"""
WITH near AS MATERIALIZED (
    SELECT c.chunk_id, c.content_hash, c.chunker, {SPOT} AS spot,
        CASE WHEN c.kind IN ('ocr', 'region') THEN c.parent ELSE c.ordinal END AS shown
    FROM chunk c WHERE c.content_hash IN ({{hashes}})),
found AS (
    SELECT n.* FROM near n JOIN finding f ON f.chunk_id = n.chunk_id WHERE f.is_hidden
    UNION
    SELECT n.* FROM near n JOIN finding f ON n.content_hash = f.content_hash
        AND n.spot = f.spot WHERE f.is_hidden)
SELECT DISTINCT o.chunk_id FROM found c JOIN near o
    ON o.content_hash = c.content_hash AND o.chunker = c.chunker AND o.shown = c.shown
"""
_HIDDEN = _ALL.format(hashes=_HASHES)
_KNOWN = "SELECT chunk_id, content_hash FROM finding WHERE is_hidden"
_HASHES_OF = "SELECT content_hash FROM chunk WHERE chunk_id IN (SELECT unnest($ids::BIGINT[]))"
_CONDITIONS = {
    "no": f"chunk_id NOT IN ({_HIDDEN})",
    "yes": f"chunk_id IN ({_HIDDEN})",
    "any": "true",
}


def hidden_chunks(con: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    """Return the ids of chunks that a policy or a decision hides, ascending."""
    known = con.execute(_KNOWN).fetchall()
    if not known:  # as a rule, and then the chunks are not gone through
        return ()
    # Looked up by their ids first, so that the chunks are gone through once.
    ids = {"ids": [chunk_id for chunk_id, _ in known]}
    hashes = {content_hash for (content_hash,) in con.execute(_HASHES_OF, ids).fetchall()}
    hashes |= {content_hash for _, content_hash in known if content_hash}
    sql = _ALL.format(hashes="SELECT unnest($hashes::VARCHAR[])")
    return tuple(sorted(row[0] for row in con.execute(sql, {"hashes": sorted(hashes)}).fetchall()))


def _hidden(operator: str, value: str, name: str) -> Part:
    if value.lower() not in _CONDITIONS:
        raise ValueError(value)
    return _CONDITIONS[value.lower()], {}


HIDDEN_FIELD = Field(("=",), "hidden=any", "no, yes or any", _hidden)
