"""Look up the chunk that a request names, which is all that a client may name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crossmodal.ledger.read.chunks import KnownChunk, find_chunk
from crossmodal.ledger.read.hidden import hidden_chunks
from crossmodal.web.api.errors import ApiError

if TYPE_CHECKING:
    import duckdb


def known_chunk(
    con: duckdb.DuckDBPyConnection, chunk_id: int, *, hidden: bool = False
) -> KnownChunk:
    """Return a chunk that some source holds; what moderation hides only where ``hidden`` is set.

    Raises:
        ApiError: 404, there is none of this id, or none that may be shown.
    """
    if not hidden and chunk_id in hidden_chunks(con):
        raise ApiError(
            404,
            "hidden",
            f"chunk {chunk_id} is hidden: a policy or a reviewer's decision says so",
            "the review queue shows it and takes decisions back; hidden=true asks for it by name",
        )
    found = find_chunk(con, chunk_id)
    if found is None:
        raise ApiError(
            404, "no_such_chunk", f"the collection has no chunk {chunk_id}", "search again"
        )
    return found
