"""Turn one cell into text, or into the picture that it holds.

Owns how values are written and what counts as a picture: encoded bytes, a struct of them, or a
data URI. An address of a picture is text: nothing is fetched. Never raises for a strange value.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import math
from collections.abc import Mapping
from typing import Any

MAX_CELL_CHARS = 10_000
"""More of one cell is not embedded; it is data or a document, not a value."""
DATA_URI = "data:image/"
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF8", b"BM", b"II*\0", b"MM\0*")
_JXL = (b"\xff\x0a", b"\0\0\0\x0cJXL ")
_BRANDS = (b"heic", b"heix", b"mif1", b"msf1", b"avif", b"avis")


def cell_text(value: Any) -> str:
    """Return a cell as one line of text, empty where there is nothing to read."""
    if value is None:
        return ""
    if isinstance(value, str):
        if value.startswith(DATA_URI):
            return ""
        return _line(value)
    return _other_text(value)


def _line(text: str) -> str:
    return " ".join(text[: MAX_CELL_CHARS + 1].split())


def _other_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.10g}"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return ""
    if isinstance(value, Mapping | list | tuple):
        return _structure_text(value)
    return _line(str(value))


def _structure_text(value: Any) -> str:
    if isinstance(value, Mapping) and isinstance(value.get("bytes"), bytes):
        return cell_text(value.get("path"))
    try:
        return _line(json.dumps(value, ensure_ascii=False, default=cell_text))
    except (TypeError, ValueError, RecursionError):
        return ""


def cell_image(value: Any) -> bytes | None:
    """Return the encoded picture in a cell, or None.

    Raises:
        ValueError: The cell holds a data URI of a picture that cannot be decoded.
    """
    if isinstance(value, str):
        return _from_data_uri(value) if value.startswith(DATA_URI) else None
    if isinstance(value, Mapping):
        value = value.get("bytes")
    return bytes(value) if isinstance(value, bytes) and is_picture(value) else None


def is_picture(data: bytes) -> bool:
    """Return whether bytes begin like a picture of a common format."""
    if data.startswith(_SIGNATURES) or data.startswith(_JXL):
        return len(data) > 16
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return True
    return data[4:8] == b"ftyp" and data[8:12] in _BRANDS


def _from_data_uri(uri: str) -> bytes:
    head, comma, body = uri.partition(",")
    if not comma or not head.endswith(";base64"):
        raise ValueError("a data URI without base64")
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error
