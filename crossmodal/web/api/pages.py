"""Serve the page's own files, and what watches over the service: health and metrics."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Request
from starlette.responses import Response

from crossmodal.web.api.dependencies import StateOf
from crossmodal.web.api.errors import ApiError
from crossmodal.web.api.schemas import Health, Problem
from crossmodal.web.guards.headers import PAGE_POLICY

_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


router = APIRouter(tags=["operation"])


@router.get("/", include_in_schema=False)
async def index(request: Request) -> Response:
    """Return the page."""
    return static_file(request, "index.html")


@router.get("/static/{name}", include_in_schema=False)
async def static(request: Request, name: str) -> Response:
    """Return one of the page's own files."""
    return static_file(request, name)


@router.get("/health/live", summary="Whether the process lives")
async def live() -> Health:
    """Return that it does."""
    return Health(status="live")


@router.get(
    "/health/ready",
    summary="Whether searches can be answered",
    responses={503: {"model": Problem, "description": "Not yet, or not now."}},
)
async def ready(state: StateOf) -> Health:
    """Return that the collection can be read and the models are loaded."""
    await state.lookups.run(state.status)
    if not state.encoder_ready:
        raise ApiError(503, "not_ready", "the model is not loaded yet", "", {"Retry-After": "2"})
    return Health(status="ready")


@router.get(
    "/metrics",
    summary="Numbers for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}, "description": "Text format 0.0.4."}},
)
async def metrics(state: StateOf) -> Response:
    """Return what was asked and how long it took, and what the collection holds."""
    status = await state.lookups.run(state.status_or_none)
    body = state.metrics.rendered(status, state.previews.num_bytes)
    return Response(body, headers={"Content-Type": _METRICS_TYPE, "Cache-Control": "no-store"})


@cache
def _static_files() -> dict[str, bytes]:
    """Read them once: a name that is not among them leads nowhere."""
    folder = files("crossmodal.web") / "static"
    return {
        file.name: file.read_bytes()
        for file in folder.iterdir()
        if file.name.rpartition(".")[2] in _TYPES
    }


def static_file(request: Request, name: str) -> Response:
    """Return one of the page's own files, under the policy that the page is shown with."""
    content = _static_files().get(name)
    if content is None:
        raise ApiError(404, "not_found", "there is no such file")
    tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
    headers = {
        "ETag": tag,
        "Cache-Control": "no-cache",
        "Content-Type": _TYPES[name.rpartition(".")[2]],
        "Content-Security-Policy": PAGE_POLICY,
    }
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers)
