"""Define the searches of the JSON API: by text, by picture, by chunk; and the collection's sums.

Thin: a route hands bounded parameters to the state, on a pool of threads, and shapes the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Request
from pydantic import ValidationError

from crossmodal.search.answer import Answer
from crossmodal.web.api.dependencies import StateOf, problems
from crossmodal.web.api.errors import ApiError
from crossmodal.web.api.parameters import AskParameters, ChunkId, Parts, Text
from crossmodal.web.api.schemas import BatchAnswer, CollectionStatus, SearchAnswer, SearchBatch
from crossmodal.web.api.shape import API, search_answer
from crossmodal.web.guards.uploads import uploaded_json, uploaded_picture
from crossmodal.web.search_pages import Ask
from crossmodal.web.served import ServedCollection
from crossmodal.web.settings import MAX_BATCH_BYTES, MAX_BATCH_HITS, MAX_BATCH_QUERIES
from flows.params.problems import in_words

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


@router.get("/search", summary="Search by text", responses=problems(400, 404))
async def search_by_text(
    state: StateOf,
    q: Text,
    ask: AskParameters,
    plus: Parts = [],  # noqa: B006 - FastAPI reads it, nobody changes it
    minus: Parts = [],  # noqa: B006
) -> SearchAnswer:
    """Return the chunks that a text means, with parts mixed in and taken away; best first."""
    if not plus and not minus:
        return await _searched(state, "text", state.searcher.by_text, q, ask)
    mixed = partial(state.searcher.by_parts, q, plus)
    return await _searched(state, "text", mixed, minus, ask)


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


@router.post(
    "/search/batch",
    summary="Search by many texts",
    responses=problems(400, 408, 413, 415),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": SearchBatch.model_json_schema()}},
        }
    },
)
async def search_by_texts(state: StateOf, request: Request, ask: AskParameters) -> BatchAnswer:
    """Return the chunks that each text of the body means; one pass, without a reranker.

    Each text counts as one request of the client's.
    """
    started = time.perf_counter()
    queries = _queries(await uploaded_json(request, MAX_BATCH_BYTES), ask.k)
    if charge := request.scope.get("crossmodal.charge"):
        charge(len(queries) - 1)  # the request itself was one
    found = await state.searches.run(state.searcher.by_texts, queries, ask)
    took_ms = (time.perf_counter() - started) * 1000
    answers = [search_answer(each, ask.k, ask.offset, took_ms / len(found)) for each in found]
    for answer in answers:
        state.metrics.searched("text", answer)
    return BatchAnswer(took_ms=round(took_ms, 1), answers=answers)


@router.get("/similar/{chunk_id}", summary="Search by chunk", responses=problems(400, 404))
async def search_by_chunk(state: StateOf, chunk_id: ChunkId, ask: AskParameters) -> SearchAnswer:
    """Return the chunks nearest to a chunk, by its stored vectors."""
    return await _searched(state, "chunk", state.searcher.by_chunk, chunk_id, ask)


@router.get("/status", summary="Sum up the collection", responses=problems())
async def status(state: StateOf) -> CollectionStatus:
    """Return what the collection holds, at most a few seconds old."""
    return await state.lookups.run(state.status)


def _queries(body: bytes, k: int) -> list[str]:
    """Return the texts of a batch.

    Raises:
        ApiError: 422, the body is no batch, or asks for too many hits.
    """
    try:
        queries = SearchBatch.model_validate_json(body).queries
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the body"
        raise ApiError(
            422,
            "bad_request",
            f"{where}: {in_words(first)}"[:500],
            f'send {{"queries": ["...", ...]}} with 1 to {MAX_BATCH_QUERIES} texts',
        ) from error
    if k * len(queries) > MAX_BATCH_HITS:
        raise ApiError(
            422,
            "too_many_hits",
            f"{len(queries)} queries of {k} hits each are more than {MAX_BATCH_HITS:,}",
            "ask for a smaller k, or send fewer queries at a time",
        )
    return queries


async def _searched(
    state: ServedCollection, by: str, find: Callable[..., Answer], what: Any, ask: Ask
) -> SearchAnswer:
    started = time.perf_counter()
    found = await state.searches.run(find, what, ask)
    took_ms = (time.perf_counter() - started) * 1000
    answer = search_answer(found, ask.k, ask.offset, took_ms)
    state.metrics.searched(by, answer)
    return answer
