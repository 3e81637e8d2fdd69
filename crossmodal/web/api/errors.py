"""Turn whatever goes wrong into ``{error, detail, hint}`` with the right status.

Owns the mapping; a message never holds more than the command line would tell the same person. What
is a bug becomes 500 without details, and goes to the log.
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from crossmodal import errors
from crossmodal.errors import Refused
from flows.params.problems import in_words

_LOG = logging.getLogger(__name__)
_RETRY = {"Retry-After": "2"}
_NAMES = {404: "not_found", 405: "method_not_allowed"}


class ApiError(Exception):
    """Answer a request with a status, a countable word, what happened and what to do."""

    def __init__(
        self,
        status: int,
        error: str,
        detail: str,
        hint: str = "",
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(f"{status} {error}: {detail}")
        self.status = status
        self.error = error
        self.detail = detail
        self.hint = hint
        self.headers = headers or {}

    def response(self) -> JSONResponse:
        """Return the answer."""
        body = {"error": self.error, "detail": self.detail, "hint": self.hint}
        return JSONResponse(body, self.status, {"Cache-Control": "no-store", **self.headers})


# The first that fits; a message of ours ends with what to do, so there is no hint beside it.
_OURS: tuple[tuple[type[errors.CrossmodalError], int, str, dict[str, str]], ...] = (
    (errors.FilterError, 400, "bad_filter", {}),
    (errors.PathError, 422, "unusable_picture", {}),
    (errors.CollectionMissing, 503, "collection_missing", {"Retry-After": "10"}),
    (errors.CollectionEmpty, 503, "collection_empty", {"Retry-After": "10"}),
    (errors.CollectionBusy, 503, "collection_busy", _RETRY),
    (errors.CollectionError, 503, "collection_unreadable", {}),
    (errors.ModelError, 503, "model_unavailable", {}),
    (errors.CrossmodalError, 503, "unavailable", {}),
)
_REFUSALS = {
    "changed": 409,
    "outside": 403,
    "unreadable": 403,
    "read_failed": 502,
    "no_answer": 504,
}


def explain(error: Exception) -> ApiError:
    """Return the answer that an exception stands for."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, Refused):
        status = _REFUSALS.get(error.reason, 404)
        return ApiError(status, error.reason, error.detail)
    for kind, status, word, headers in _OURS:
        if isinstance(error, kind):
            return ApiError(status, word, str(error), headers=headers)
    if isinstance(error, HTTPException) and error.status_code == 400:
        # What FastAPI says of bytes that are no JSON in UTF-8, and Starlette of forms in pieces.
        return ApiError(422, "invalid_request", f"the body cannot be read: {error.detail}")
    if isinstance(error, HTTPException):
        word = _NAMES.get(error.status_code, "refused")
        return ApiError(error.status_code, word, str(error.detail), headers=_plain(error.headers))
    _LOG.error("a request failed", exc_info=error)
    return ApiError(500, "internal", "this is a bug in crossmodal", "the server's log has more")


def install(app: FastAPI) -> None:
    """Let the app answer every exception in this form."""

    async def answer(_: Request, error: Exception) -> JSONResponse:
        return explain(error).response()

    async def answer_invalid(_: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return _invalid(error).response()

    for kind in (ApiError, Refused, errors.CrossmodalError, HTTPException, Exception):
        app.add_exception_handler(kind, answer)
    app.add_exception_handler(RequestValidationError, answer_invalid)


def _invalid(error: RequestValidationError) -> ApiError:
    told = [
        f"{'.'.join(str(part) for part in found['loc'][1:]) or 'request'}: {in_words(found)}"
        for found in error.errors()[:5]
    ]
    return ApiError(422, "invalid_request", "; ".join(told), "/api/v1/openapi.json has the bounds")


def _plain(headers: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in dict(headers or {}).items()}
