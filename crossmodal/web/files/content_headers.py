"""Say how a source is handed to a browser so that nothing in it can act there.

Pictures, films, sound and PDF are shown; text of any kind is shown as text; all else, and whatever
could hold a script, is saved to a file. Every file comes with a sandbox.
"""

from __future__ import annotations

from typing import Literal
from urllib.parse import quote

Player = Literal["image", "video", "audio", "pdf"]

_SHOWN = {
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/avif",
    "image/bmp",
    "video/mp4",
    "video/webm",
    "video/ogg",
    "video/quicktime",
    "video/x-matroska",
    "audio/mpeg",
    "audio/mp4",
    "audio/ogg",
    "audio/wav",
    "audio/x-wav",
    "audio/wave",
    "audio/vnd.wave",
    "audio/flac",
    "audio/x-flac",
    "audio/aac",
    "audio/webm",
}
_PDF = "application/pdf"
_AS_TEXT = {
    "application/json",
    "application/jsonl",
    "application/xml",
    "application/xhtml+xml",
    "application/x-subrip",
    "application/csv",
    "image/svg+xml",
}
_INERT = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'"
# Chromium's viewer does not start inside a sandbox; it runs no script of the document's.
_PDF_POLICY = f"{_INERT}; object-src 'self'; frame-ancestors 'none'"
_SANDBOX = f"{_INERT}; frame-ancestors 'none'; sandbox"


def headers_of(media_type: str, uri: str) -> dict[str, str]:
    """Return Content-Type, Content-Disposition and the policy under which a source is sent."""
    name = uri.partition("?")[0].rstrip("/").rpartition("/")[2] or "file"
    essence = media_type.partition(";")[0].strip().lower()
    shown = _content_type(essence)
    disposition = "inline" if shown else "attachment"
    return {
        "Content-Type": shown or "application/octet-stream",
        "Content-Disposition": f"{disposition}; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": _PDF_POLICY if essence == _PDF else _SANDBOX,
    }


def _content_type(essence: str) -> str | None:
    """Return the type to send; None where the browser had better not look inside."""
    if essence in _SHOWN or essence == _PDF:
        return essence
    if essence in _AS_TEXT or essence.startswith("text/"):
        return "text/plain; charset=utf-8"
    return None


def player_of(media_type: str) -> Player | None:
    """Return which element of a page plays or shows a source: image, video, audio or pdf."""
    if media_type == _PDF:
        return "pdf"
    if media_type.startswith("video/"):
        return "video"
    if media_type.startswith("audio/"):
        return "audio"
    return "image" if media_type in _SHOWN else None
