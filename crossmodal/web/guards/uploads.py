"""Read what somebody sends, no further than it may be long and not for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from crossmodal.web.api.errors import ApiError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MAX_S = 30.0
_JSON = "application/json"
_TYPES = ("image/", "application/octet-stream")


class UploadMemory:
    """Bound what the bodies of all requests together hold in memory."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what arrives until the request is answered; refuse what does not fit any more."""
        held = 0

        async def counted() -> Message:
            nonlocal held
            message = await receive()
            size = len(message.get("body", b""))
            if self._held + size > self._max_bytes:
                raise ApiError(
                    503,
                    "uploads_full",
                    f"all uploads together hold {self._max_bytes:,} bytes already",
                    "send it again in a moment",
                    {"Retry-After": "2"},
                )
            self._held += size
            held += size
            return message

        try:
            await self._app(scope, counted if scope["type"] == "http" else receive, send)
        finally:
            self._held -= held


async def uploaded_picture(request: Request, max_bytes: int) -> bytes:
    """Return the body.

    Raises:
        ApiError: 415 no picture, 413 too large, 400 empty, 408 too slow.
    """
    media_type = request.headers.get("content-type", "").lower()
    if not media_type.startswith(_TYPES):
        raise ApiError(
            415,
            "no_picture",
            f"the body is {media_type[:100] or 'of no type'}",
            "send the bytes of one picture as the body, with Content-Type: image/jpeg or the like",
        )
    smaller = "send a smaller version of the picture"
    return await _whole(request, max_bytes, "picture", smaller)


async def uploaded_json(request: Request, max_bytes: int) -> bytes:
    """Return the body, not parsed.

    Raises:
        ApiError: 415 no JSON, 413 too large, 400 empty, 408 too slow.
    """
    media_type = request.headers.get("content-type", "").lower()
    if media_type.split(";")[0].strip() != _JSON:
        raise ApiError(
            415,
            "no_json",
            f"the body is {media_type[:100] or 'of no type'}",
            f"send JSON as the body, with Content-Type: {_JSON}",
        )
    return await _whole(request, max_bytes, "JSON body", "send fewer queries at a time")


async def _whole(request: Request, max_bytes: int, what: str, smaller: str) -> bytes:
    too_large = ApiError(413, "too_large", f"more than {max_bytes:,} bytes", smaller)
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise too_large
    data = bytearray()
    try:
        with anyio.fail_after(_MAX_S):
            async for piece in request.stream():
                data += piece
                if len(data) > max_bytes:
                    raise too_large
    except TimeoutError:
        raise ApiError(408, "too_slow", f"no whole {what} in {_MAX_S:g} s") from None
    if not data:
        raise ApiError(400, "empty", "the body is empty", f"send the bytes of one {what}")
    return bytes(data)
