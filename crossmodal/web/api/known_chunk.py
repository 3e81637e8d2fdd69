"""Look up the chunk that a request names, which is all that a client may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmodal.ledger.read.chunks import KnownChunk, find_chunk
from crossmodal.web.api.errors import ApiError

if TYPE_CHECKING:
    import duckdb


def known_chunk(con: duckdb.DuckDBPyConnection, chunk_id: int) -> KnownChunk:
    """Return a chunk that some source holds.

    Raises:
        ApiError: 404, there is none of this id.
    """
    found = find_chunk(con, chunk_id)
    if found is None:
        raise ApiError(
            404, "no_such_chunk", f"the collection has no chunk {chunk_id}", "search again"
        )
    return found
