"""Put the search page together: routes inside, and around them the guards of every request.

From the outside in: count, safe headers, how often, who may ask, then the routes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
from fastapi import FastAPI

from crossmodal.web.api import (
    ask,
    chunks,
    errors,
    judgements,
    lineage,
    overview,
    pages,
    recommend,
    review,
    search,
)
from crossmodal.web.api.shape import API
from crossmodal.web.guards.access import Access
from crossmodal.web.guards.headers import SafeHeaders
from crossmodal.web.guards.rate_limit import RateLimit
from crossmodal.web.guards.uploads import UploadMemory
from crossmodal.web.served import ServedCollection
from crossmodal.web.settings import UiSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

_DESCRIPTION = (
    "Search a collection of pictures, documents, films, sound and tables by meaning. "
    "Errors have one form: a countable word, what happened, and what to do."
)
_RETRY_S = 5.0


def make_app(settings: UiSettings) -> ASGIApp:
    """Return the ASGI app of one collection; its models load as it starts."""
    state = ServedCollection(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        state.make_pools()
        async with anyio.create_task_group() as background:
            background.start_soon(_keep_warm, state)
            yield
            background.cancel_scope.cancel()

    app = FastAPI(
        title="crossmodal",
        version=version("crossmodal"),
        summary="Search by meaning.",
        description=_DESCRIPTION,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,  # the pages that show it load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
    )
    errors.install(app)
    app.state.crossmodal = state
    app.include_router(search.router)
    app.include_router(ask.router)
    app.include_router(ask.page)
    app.include_router(chunks.router)
    app.include_router(judgements.router)
    app.include_router(recommend.router)
    app.include_router(review.router)
    app.include_router(review.page)
    app.include_router(overview.router)
    app.include_router(overview.page)
    app.include_router(lineage.router)
    app.include_router(pages.router)
    bounded = UploadMemory(app, settings.max_uploads_bytes)
    limited = RateLimit(Access(bounded, settings), settings.rate_per_s, settings.burst)
    return state.metrics.watch(SafeHeaders(limited))


async def _keep_warm(state: ServedCollection) -> None:
    """Try until the models are there: the first index run may still be to come."""
    while not state.encoder_ready:
        await anyio.to_thread.run_sync(state.warm_up, abandon_on_cancel=True)
        await anyio.sleep(_RETRY_S)
