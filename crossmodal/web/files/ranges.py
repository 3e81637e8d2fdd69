"""Answer with a file or the range of it that a player asks for, piece by piece.

Owns the Range header; one range is honoured, several are answered with the whole file, as HTTP
allows. The file is closed whatever happens to the connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.responses import Response

from crossmodal.errors import Refused
from crossmodal.web.api.errors import ApiError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from crossmodal.web.files.sources import OpenSource

_PIECE_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def byte_range(header: str | None, num_bytes: int) -> tuple[int, int] | None:
    """Return [start, stop) of a Range header; None where the whole is to be sent.

    Raises:
        ApiError: 416, the range lies beyond the end.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if first == "":
        start, stop = max(0, num_bytes - int(last)), num_bytes
    else:
        start, stop = int(first), min(int(last) + 1, num_bytes) if last else num_bytes
    if last and first and int(last) < int(first):
        return None
    if start >= num_bytes or start >= stop:
        raise ApiError(
            416,
            "range_not_satisfiable",
            f"the file has {num_bytes} bytes",
            headers={"Content-Range": f"bytes */{num_bytes}"},
        )
    return start, stop


class FileResponse(Response):
    """Send an open source, or a range of it, and close it."""

    def __init__(
        self, opened: OpenSource, wanted: tuple[int, int] | None, headers: Mapping[str, str]
    ) -> None:
        self._opened = opened
        self._start, self._stop = wanted or (0, opened.num_bytes)
        length = self._stop - self._start
        about = {"Accept-Ranges": "bytes", "Content-Length": str(length), **headers}
        if wanted:
            about["Content-Range"] = f"bytes {self._start}-{self._stop - 1}/{opened.num_bytes}"
        super().__init__(None, 206 if wanted else 200, about)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and, unless only that was asked for, the pieces."""
        try:
            wanted = scope["method"] != "HEAD" and self._start < self._stop
            # Before the head: a storage that fails now can still be told of.
            piece = await self._piece(self._start) if wanted else b""
            start = {"type": "http.response.start", "status": self.status_code}
            await send({**start, "headers": self.raw_headers})
            if wanted:
                await self._send_pieces(send, piece)
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            self._opened.close()

    async def _send_pieces(self, send: Send, piece: bytes) -> None:
        at = self._start
        while True:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            at += len(piece)
            if at >= self._stop:
                return
            try:
                piece = await self._piece(at)
            except Refused as refused:
                # The head promised more: to end early is the only way left to take that back.
                raise OSError(str(refused)) from refused

    async def _piece(self, at: int) -> bytes:
        num_bytes = min(_PIECE_BYTES, self._stop - at)
        piece = await anyio.to_thread.run_sync(self._opened.read_at, at, num_bytes)
        if not piece:
            raise OSError("the file became shorter while it was sent")
        return piece
