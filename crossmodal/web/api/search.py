"""Define the searches of the JSON API: by text, by picture, by chunk; and the collection's sums.

Thin: a route hands bounded parameters to the state, on a pool of threads, and shapes the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request

from crossmodal.search.answer import Answer
from crossmodal.web.api.dependencies import StateOf, problems
from crossmodal.web.api.parameters import AskParameters, ChunkId, Text
from crossmodal.web.api.schemas import CollectionStatus, SearchAnswer
from crossmodal.web.api.shape import API, search_answer
from crossmodal.web.guards.uploads import uploaded_picture
from crossmodal.web.search_pages import Ask
from crossmodal.web.served import ServedCollection

_PICTURE = {
    "requestBody": {
        "required": True,
        "description": "The bytes of one picture.",
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("image/jpeg", "image/png", "image/webp", "application/octet-stream")
        },
    }
}

router = APIRouter(prefix=API, tags=["search"])


@router.get("/search", summary="Search by text", responses=problems(400))
async def search_by_text(state: StateOf, q: Text, ask: AskParameters) -> SearchAnswer:
    """Return the chunks that a text means, best first."""
    return await _searched(state, "text", state.searcher.by_text, q, ask)


@router.post(
    "/search",
    summary="Search by picture",
    responses=problems(400, 408, 413, 415),
    openapi_extra=_PICTURE,
)
async def search_by_picture(state: StateOf, request: Request, ask: AskParameters) -> SearchAnswer:
    """Return the chunks that a picture, sent as the body, resembles."""
    data = await uploaded_picture(request, state.settings.max_upload_bytes)
    return await _searched(state, "image", state.searcher.by_picture, data, ask)


@router.get("/similar/{chunk_id}", summary="Search by chunk", responses=problems(400, 404))
async def search_by_chunk(state: StateOf, chunk_id: ChunkId, ask: AskParameters) -> SearchAnswer:
    """Return the chunks nearest to a chunk, by its stored vectors."""
    return await _searched(state, "chunk", state.searcher.by_chunk, chunk_id, ask)


@router.get("/status", summary="Sum up the collection", responses=problems())
async def status(state: StateOf) -> CollectionStatus:
    """Return what the collection holds, at most a few seconds old."""
    return await state.lookups.run(state.status)


async def _searched(
    state: ServedCollection, by: str, find: Callable[..., Answer], what: Any, ask: Ask
) -> SearchAnswer:
    started = time.perf_counter()
    found = await state.searches.run(find, what, ask)
    took_ms = (time.perf_counter() - started) * 1000
    answer = search_answer(found, ask.k, ask.offset, took_ms)
    state.metrics.searched(by, answer)
    return answer
