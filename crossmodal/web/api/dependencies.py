"""Describe the API's errors once for all routes, and hand them the state they work on."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Request

from crossmodal.web.api.schemas import Problem
from crossmodal.web.served import ServedCollection

_MEANINGS = {
    400: "A condition or the request cannot be understood.",
    401: "The token is missing or wrong.",
    403: "The file may not be read, or leads out of what was indexed.",
    404: "There is no such chunk, file or preview.",
    408: "The upload took too long.",
    409: "The file has changed since it was indexed.",
    413: "The picture is too large.",
    415: "The body is no picture.",
    416: "The range lies beyond the end.",
    422: "A parameter is out of bounds, or the picture cannot be decoded.",
    429: "Too many requests; Retry-After says when to come back.",
    502: "The storage of the file fails.",
    503: "Not now: no collection yet, a run commits, or too many wait.",
    504: "The storage of the file does not answer.",
}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the errors of a route, beside those that every route has."""
    always = (401, 422, 429, 503)
    return {
        status: {"model": Problem, "description": _MEANINGS[status]}
        for status in sorted({*statuses, *always})
    }


def _state_of(request: Request) -> ServedCollection:
    state: ServedCollection = request.app.state.crossmodal
    return state


StateOf = Annotated[ServedCollection, Depends(_state_of)]
