"""Say what of a source a hit stands for, as the ledger has it: which content, cut by which rule."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from crossmodal.records import Hit

_AS_INDEXED = """
SELECT c.chunk_id, c.content_hash, c.chunker, c.kind, c.ordinal, c.meta, s.size_bytes, s.mtime_ns
FROM (SELECT unnest($ids::BIGINT[]) AS id, unnest($uris::VARCHAR[]) AS uri) h
JOIN chunk c ON c.chunk_id = h.id
JOIN source s ON s.uri = h.uri AND s.content_hash = c.content_hash
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


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(str(part) for part in parts).encode()).hexdigest()
