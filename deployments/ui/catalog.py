"""Look up a chunk, and the sources that hold it, by the chunk's id: all that a client may name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deployments.ui.errors import ApiError
from tasks.records import Hit
from tasks.storage.surroundings import recordings

if TYPE_CHECKING:
    import duckdb

_CHUNK = """
SELECT chunk_id, kind, ordinal, modality, text, section, parent, meta, content_hash, chunker
FROM chunk WHERE chunk_id = ?
"""
_SOURCES = """
SELECT uri, root, coalesce(media_type, ''), size_bytes, mtime_ns, content_hash, indexed_at
FROM source WHERE content_hash = ? ORDER BY uri LIMIT 100
"""
_SOURCE = _SOURCES.replace("content_hash = ? ", "uri = ? ")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Hold what the ledger knows of a source."""

    uri: str
    root: str
    media_type: str
    size_bytes: int
    mtime_ns: int
    content_hash: str
    indexed_at: datetime


@dataclass(frozen=True, slots=True)
class Known:
    """Hold a chunk as a hit without rank or score, and every source that holds it."""

    hit: Hit
    chunker: str
    sources: list[SourceRow]
    plays: SourceRow | None
    """The film or sound that these subtitles belong to."""

    @property
    def medium(self) -> SourceRow:
        """Return the source that shows the chunk: of subtitles the film."""
        return self.plays or self.sources[0]


def known_chunk(con: duckdb.DuckDBPyConnection, chunk_id: int) -> Known:
    """Return a chunk that some source holds.

    Raises:
        ApiError: 404, there is none of this id.
    """
    rows = con.execute(_CHUNK, [chunk_id]).fetchall()
    sources = _sources(con, _SOURCES, rows[0][8]) if rows else []
    if not sources:
        raise ApiError(
            404, "no_such_chunk", f"the collection has no chunk {chunk_id}", "search again"
        )
    _, kind, ordinal, modality, text, section, parent, meta, _, chunker = rows[0]
    first = sources[0]
    hit = Hit(
        rank=0,
        score=0.0,
        uri=first.uri,
        chunk_id=chunk_id,
        kind=kind,
        ordinal=ordinal,
        modality=modality,
        media_type=first.media_type,
        size_bytes=first.size_bytes,
        modified=moment(first.mtime_ns),
        num_copies=len(sources),
        text=text,
        section=section,
        parent=parent,
        meta=json.loads(meta),
    )
    return Known(hit, chunker, sources, played_by(con, [hit]).get(hit.uri))


def played_by(con: duckdb.DuckDBPyConnection, hits: Sequence[Hit]) -> dict[str, SourceRow]:
    """Return by source the film or sound that these timed words belong to."""
    timed = recordings(con, [hit for hit in hits if "start_s" in hit.meta])
    found = {uri: _sources(con, _SOURCE, recording) for uri, recording in timed.items()}
    return {uri: rows[0] for uri, rows in found.items() if rows}


def moment(mtime_ns: int) -> datetime | None:
    """Return a time of the ledger; None where it is unknown."""
    return datetime.fromtimestamp(mtime_ns / 1e9, UTC) if mtime_ns else None


def _sources(con: duckdb.DuckDBPyConnection, sql: str, key: str) -> list[SourceRow]:
    return [SourceRow(*row) for row in con.execute(sql, [key]).fetchall()]
