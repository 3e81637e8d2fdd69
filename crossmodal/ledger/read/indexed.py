"""Say what the ledger holds: chunks as hits, and of which content and place in it each is."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from crossmodal.ledger.read.hits import CHUNK_COLUMNS, hit_of, modified_at
from crossmodal.ledger.sql import first_row
from crossmodal.records import Hit

_AS_INDEXED = """
SELECT c.chunk_id, c.content_hash, c.chunker, c.kind, c.ordinal, c.meta, s.size_bytes, s.mtime_ns
FROM (SELECT unnest($ids::BIGINT[]) AS id, unnest($uris::VARCHAR[]) AS uri) h
JOIN chunk c ON c.chunk_id = h.id
JOIN source s ON s.uri = h.uri AND s.content_hash = c.content_hash
"""
_FIRST_SOURCE = """
SELECT content_hash, min(uri) AS uri, arg_min(media_type, uri) AS media_type,
    arg_min(size_bytes, uri) AS size_bytes, arg_min(mtime_ns, uri) AS mtime_ns, count(*) AS num
FROM source WHERE {of} GROUP BY content_hash
"""
_HELD = f"""
FROM chunk c JOIN ({_FIRST_SOURCE.format(of="content_hash IS NOT NULL")}) s USING (content_hash)
"""
_STATE = f"""
SELECT count(*),
    coalesce(bit_xor(hash(c.chunk_id, c.content_hash, c.chunker, s.uri, s.mtime_ns)), 0)
{_HELD}
"""
# Of the sources only those that are asked for are gathered: a large collection is read in pages.
_ROWS = f"""
WITH asked AS (SELECT unnest($ids::BIGINT[]) AS chunk_id),
c AS (SELECT k.* FROM chunk k JOIN asked USING (chunk_id)),
s AS ({_FIRST_SOURCE.format(of="content_hash IN (SELECT content_hash FROM c)")})
SELECT {", ".join(f"c.{name}" for name in CHUNK_COLUMNS.split(", "))},
    s.uri, coalesce(s.media_type, ''), s.size_bytes, s.mtime_ns, s.num
FROM c JOIN s USING (content_hash) ORDER BY c.chunk_id
"""


@dataclass(frozen=True, slots=True)
class Indexed:
    """Hold what the ledger says of a chunk and of the source that it is shown by."""

    content_hash: str
    """SHA-256 of the source's bytes."""
    place: str
    """Digest of the content, of how it was cut and of where in it the chunk lies."""
    size_bytes: int
    mtime_ns: int
    """0 where its store did not tell."""


def as_indexed(con: duckdb.DuckDBPyConnection, hits: Sequence[Hit]) -> dict[int, Indexed]:
    """Return by chunk what the ledger knows of hits, without those that it knows no more."""
    asked = {"ids": [hit.chunk_id for hit in hits], "uris": [hit.uri for hit in hits]}
    rows = con.execute(_AS_INDEXED, asked).fetchall()
    return {
        chunk_id: Indexed(content_hash, _digest(content_hash, *place), size_bytes, mtime_ns)
        for chunk_id, content_hash, *place, size_bytes, mtime_ns in rows
    }


def state(con: duckdb.DuckDBPyConnection) -> str:
    """Return what changes with the chunks that sources hold; costs no look at their words."""
    num, mixed = first_row(con, _STATE) or (0, 0)
    return f"{num}-{mixed:x}"


def held_ids(con: duckdb.DuckDBPyConnection) -> list[tuple[int, str]]:
    """Return the ids of all chunks that a source holds, in order, each with its modality."""
    rows = con.execute(f"SELECT c.chunk_id, c.modality {_HELD} ORDER BY c.chunk_id").fetchall()
    return [(chunk_id, modality) for chunk_id, modality in rows]


def held_hits(con: duckdb.DuckDBPyConnection, ids: Sequence[int]) -> list[Hit]:
    """Return chunks as hits without rank or score, each with the first source that holds it."""
    rows = con.execute(_ROWS, {"ids": list(ids)}).fetchall()
    return [
        hit_of(
            chunk,
            uri=uri,
            media_type=media_type,
            size_bytes=size_bytes,
            modified=modified_at(mtime_ns),
            num_copies=num_copies,
        )
        for *chunk, uri, media_type, size_bytes, mtime_ns, num_copies in rows
    ]


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()
