"""Define what the JSON API tells and shows of one chunk: details, thumbnail, the file itself."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from crossmodal.ledger.read.chunks import KnownChunk, SourceRow
from crossmodal.ledger.read.surroundings import surroundings
from crossmodal.search.similar import matches
from crossmodal.web.api.dependencies import StateOf, problems
from crossmodal.web.api.known_chunk import known_chunk
from crossmodal.web.api.parameters import Around, ChunkId, Hidden, QueryId, Side, Text
from crossmodal.web.api.schemas import ChunkDetails
from crossmodal.web.api.shape import API, chunk_details
from crossmodal.web.files.content_headers import headers_of
from crossmodal.web.files.previews import tag_of, type_of
from crossmodal.web.files.ranges import FileResponse, byte_range
from crossmodal.web.served import ServedCollection

_IMAGES = {
    kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/jpeg", "image/png")
}
_JPEG = {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}}
_WHY_COST = 5
"""Of requests that a map counts as: it takes a pass of the model."""
_BYTES = {
    "content": {"*/*": {"schema": {"type": "string", "format": "binary"}}},
    "description": "The file, or a range of it.",
}
_UNCHANGED = {"description": "As it was."}
_FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    **problems(403, 404, 409, 416, 502, 504),
    200: _BYTES,
    206: _BYTES,
    304: _UNCHANGED,
}

router = APIRouter(prefix=API, tags=["chunks"])


@router.get("/chunk/{chunk_id}", summary="Describe a chunk", responses=problems(404))
async def chunk(
    state: StateOf,
    chunk_id: ChunkId,
    query_id: QueryId = None,
    around: Around = 2,
    hidden: Hidden = False,
) -> ChunkDetails:
    """Return all that is known of a chunk, and why it matched a query."""
    return await state.lookups.run(details, state, chunk_id, query_id, around, hidden)


@router.get(
    "/thumbnail/{chunk_id}",
    summary="Show a chunk small",
    response_class=Response,
    responses={
        **problems(403, 404, 409, 502, 504),
        200: {"content": _IMAGES, "description": "JPEG; of sound PNG."},
        304: _UNCHANGED,
    },
)
async def thumbnail(
    state: StateOf,
    request: Request,
    chunk_id: ChunkId,
    side: Side = 320,
    hidden: Hidden = False,
) -> Response:
    """Return a small picture: the image, the frame, the page, the figure or the sound's wave."""
    known = await state.lookups.run(existing_chunk, state, chunk_id, hidden)
    headers = {"ETag": f'"{tag_of(known, side)}"', "Cache-Control": "private, max-age=300"}
    if _is_held(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    encoded = await state.reading(known.medium).run(state.previews.get, known, side)
    return Response(encoded, media_type=type_of(encoded), headers=headers)


@router.get(
    "/why/{chunk_id}",
    summary="Show where in a picture the words were found",
    response_class=Response,
    responses={
        **problems(400, 403, 404, 409, 502, 504),
        200: {"content": _JPEG, "description": "The picture in grey, red where the words are."},
    },
)
async def why(
    state: StateOf, request: Request, chunk_id: ChunkId, q: Text, hidden: Hidden = False
) -> Response:
    """Return the map by which a reranker of page pictures put the chunk where it stands."""
    if charge := request.scope.get("crossmodal.charge"):
        charge(_WHY_COST - 1)  # the request itself was one
    known = await state.lookups.run(existing_chunk, state, chunk_id, hidden)
    # A file that may not be shown is not drawn over either.
    await state.reading(known.medium).run(state.sources.look, known.medium)
    encoded = await state.searches.run(state.searcher.why, chunk_id, q)
    return Response(
        encoded, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=300"}
    )


@router.head("/source/{chunk_id}", include_in_schema=False)
@router.get(
    "/source/{chunk_id}",
    summary="Send the file itself",
    response_class=Response,
    responses=_FILE_RESPONSES,
)
async def source(
    state: StateOf,
    request: Request,
    chunk_id: ChunkId,
    of: Annotated[
        Literal["chunk", "recording"],
        Query(title="Which", description="The chunk's source, or the film of its subtitles."),
    ] = "chunk",
    hidden: Hidden = False,
) -> Response:
    """Return the file, or the range of it that is asked for."""
    row = await state.lookups.run(_source, state, chunk_id, of, hidden)
    headers = headers_of(row.media_type, row.uri)
    headers |= {"ETag": f'"{row.content_hash}"', "Cache-Control": "private, no-cache"}
    opened = await state.reading(row).run(state.sources.open, row)
    try:
        if _is_held(request, headers["ETag"]):
            opened.close()
            return Response(status_code=304, headers=headers)
        same = request.headers.get("if-range") in (None, headers["ETag"])
        asked = request.headers.get("range") if same else None
        return FileResponse(opened, byte_range(asked, opened.num_bytes), headers)
    except BaseException:
        opened.close()
        raise


def details(
    state: ServedCollection,
    chunk_id: int,
    query_id: str | None,
    around: int,
    hidden: bool = False,
) -> ChunkDetails:
    """Return a chunk, what stands around it, and why it matched a query that is remembered.

    Raises:
        ApiError: 404, there is no such chunk, or it is not to be shown.
    """
    with state.collection.read() as con:
        known = known_chunk(con, chunk_id, hidden=hidden)
        near = surroundings(con, [chunk_id], around)[chunk_id]
        why = matches(con, chunk_id, state.searcher.remembered(query_id)) if query_id else []
    return chunk_details(known, near, why)


def existing_chunk(state: ServedCollection, chunk_id: int, hidden: bool = False) -> KnownChunk:
    """Return a chunk.

    Raises:
        ApiError: 404, there is no such chunk, or it is not to be shown.
    """
    with state.collection.read() as con:
        return known_chunk(con, chunk_id, hidden=hidden)


def _source(state: ServedCollection, chunk_id: int, of: str, hidden: bool) -> SourceRow:
    known = existing_chunk(state, chunk_id, hidden)
    return known.medium if of == "recording" else known.sources[0]


def _is_held(request: Request, tag: str) -> bool:
    given = request.headers.get("if-none-match", "")
    return tag in (part.strip().removeprefix("W/") for part in given.split(","))
