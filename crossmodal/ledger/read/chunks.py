"""Look up a chunk, and the sources that hold it, by the chunk's id.

Invariant: a chunk that no source holds any more is not there, though its row may be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb

from crossmodal.ledger.read.hits import CHUNK_COLUMNS, hit_of, modified_at
from crossmodal.ledger.read.surroundings import recordings
from crossmodal.ledger.sql import first_row
from crossmodal.records import Hit

MAX_SOURCES = 100
"""Sources that are told of one chunk; a content may have been copied any number of times."""

_CHUNK = f"SELECT {CHUNK_COLUMNS}, content_hash, chunker FROM chunk WHERE chunk_id = ?"
_SOURCES = f"""
SELECT uri, root, coalesce(media_type, ''), size_bytes, mtime_ns, content_hash, indexed_at,
    count(*) OVER ()
FROM source WHERE {{}} = ? ORDER BY uri LIMIT {MAX_SOURCES}
"""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """Hold what the ledger knows of a source."""

    uri: str
    root: str
    media_type: str
    """Empty where it was not read."""
    size_bytes: int
    mtime_ns: int
    content_hash: str
    indexed_at: datetime

    @property
    def modified(self) -> datetime | None:
        """Return when it was changed; None where its store did not tell."""
        return modified_at(self.mtime_ns)


@dataclass(frozen=True, slots=True)
class KnownChunk:
    """Hold a chunk as a hit without rank or score, and every source that holds it."""

    hit: Hit
    chunker: str
    sources: list[SourceRow]
    """By uri; at least one, at most ``MAX_SOURCES``."""
    plays: SourceRow | None
    """The film or sound that these subtitles belong to."""

    @property
    def medium(self) -> SourceRow:
        """Return the source that shows the chunk: of subtitles the film."""
        return self.plays or self.sources[0]


def find_chunk(con: duckdb.DuckDBPyConnection, chunk_id: int) -> KnownChunk | None:
    """Return a chunk that some source holds; None where there is none of this id."""
    row = first_row(con, _CHUNK, [chunk_id])
    if row is None:
        return None
    *chunk, content_hash, chunker = row
    sources, num_copies = _sources(con, "content_hash", content_hash)
    if not sources:
        return None
    first = sources[0]
    hit = hit_of(
        chunk,
        uri=first.uri,
        media_type=first.media_type,
        size_bytes=first.size_bytes,
        modified=first.modified,
        num_copies=num_copies,
    )
    return KnownChunk(hit, chunker, sources, played_by(con, [hit]).get(hit.uri))


def played_by(con: duckdb.DuckDBPyConnection, hits: Sequence[Hit]) -> dict[str, SourceRow]:
    """Return by source the film or sound that these timed words belong to."""
    timed = recordings(con, [hit for hit in hits if "start_s" in hit.meta])
    found = {uri: _sources(con, "uri", recording)[0] for uri, recording in timed.items()}
    return {uri: rows[0] for uri, rows in found.items() if rows}


def _sources(con: duckdb.DuckDBPyConnection, column: str, key: str) -> tuple[list[SourceRow], int]:
    """Return the first sources with this value, and how many there are in all."""
    rows = con.execute(_SOURCES.format(column), [key]).fetchall()
    return [SourceRow(*row[:-1]) for row in rows], rows[0][-1] if rows else 0
