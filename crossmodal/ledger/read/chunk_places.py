"""Say where many chunks stand at once (source, position, words), and which sources are pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from crossmodal.ledger.read.hits import modified_at

_PICTURES = """
SELECT DISTINCT s.uri FROM source s JOIN chunk c USING (content_hash)
WHERE c.kind = 'image' ORDER BY s.uri
"""
_PLACES = """
SELECT c.chunk_id, c.kind, c.text, c.meta, min(s.uri), arg_min(s.media_type, s.uri),
    arg_min(s.mtime_ns, s.uri)
FROM chunk c JOIN source s USING (content_hash)
WHERE c.chunk_id IN (SELECT unnest($ids::BIGINT[]))
GROUP BY c.chunk_id, c.kind, c.text, c.meta
"""


@dataclass(frozen=True, slots=True)
class ChunkPlace:
    """Hold what a person needs to find a chunk."""

    chunk_id: int
    kind: str
    text: str
    meta: dict[str, Any]
    uri: str
    """Of the sources that hold it the first by name."""
    media_type: str
    modified: str
    """ISO 8601; empty where its store did not tell."""


def chunk_places(con: duckdb.DuckDBPyConnection, ids: Sequence[int]) -> dict[int, ChunkPlace]:
    """Return chunks by id; those that no source holds are left out."""
    rows = con.execute(_PLACES, {"ids": list(ids)}).fetchall()
    return {row[0]: _place(row) for row in rows}


def _place(row: tuple[Any, ...]) -> ChunkPlace:
    modified = modified_at(row[6] or 0)
    return ChunkPlace(
        chunk_id=row[0],
        kind=row[1],
        text=row[2],
        meta=json.loads(row[3]),
        uri=row[4],
        media_type=row[5] or "",
        modified=modified.isoformat() if modified else "",
    )


def picture_uris(con: duckdb.DuckDBPyConnection) -> list[str]:
    """Return the sources that are pictures, in order of name."""
    return [uri for (uri,) in con.execute(_PICTURES).fetchall()]
