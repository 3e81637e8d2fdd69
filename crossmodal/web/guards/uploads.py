"""Read a picture that somebody sends, no further than it may be long and not for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from crossmodal.web.api.errors import ApiError

if TYPE_CHECKING:
    from starlette.requests import Request

_MAX_S = 30.0
_TYPES = ("image/", "application/octet-stream")


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
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > max_bytes:
        raise _too_large(max_bytes)
    try:
        with anyio.fail_after(_MAX_S):
            return await _body(request, max_bytes)
    except TimeoutError:
        raise ApiError(408, "too_slow", f"no whole picture in {_MAX_S:g} s") from None


async def _body(request: Request, max_bytes: int) -> bytes:
    data = bytearray()
    async for piece in request.stream():
        data += piece
        if len(data) > max_bytes:
            raise _too_large(max_bytes)
    if not data:
        raise ApiError(400, "empty", "the body is empty", "send the bytes of one picture")
    return bytes(data)


def _too_large(max_bytes: int) -> ApiError:
    return ApiError(
        413, "too_large", f"more than {max_bytes:,} bytes", "send a smaller version of the picture"
    )
