"""Detect a source's media type from its first bytes; its name decides only where these do not.

Owns the rules of precedence; refuses to decode. What an image library can open is asked of that
library's own registry, so a format added there is known here. Invariant: a file that claims to be
an image by name, and whose content says nothing else, is called an image: then it is decoded,
refused and quarantined with a reason rather than skipped in silence.
"""

from __future__ import annotations

import mimetypes
import re
import struct
from functools import cache
from typing import TYPE_CHECKING, TypeGuard

from crossmodal.pictures.svg import is_svg

if TYPE_CHECKING:
    from collections.abc import Callable

HEAD_BYTES = 16_384
"""How much of a file ``sniff`` wants to see."""

UNKNOWN = "application/octet-stream"

# Pillow lists these, but they are data, film or print, or hold no picture that it could draw.
_MEDIA_TYPES = {
    "BUFR": "application/x-bufr",
    "EPS": "image/x-eps",
    "GRIB": "application/x-grib",
    "HDF5": "application/x-hdf5",
    "HEIF": "image/heic",
    "JXL": "image/jxl",
    "MPEG": "video/mpeg",
    "PDF": "application/pdf",
    "WMF": "image/wmf",
}
# Formats without a signature of their own are known by name only.
_SUFFIXES = {".spider": "SPIDER", ".spi": "SPIDER", ".heic": "HEIF", ".heif": "HEIF"}
# Said here because the tables of operating systems differ.
_OTHER_SUFFIXES = {
    ".ass": "text/x-ass",
    ".csv": "text/csv",
    ".jsonl": "application/jsonl",
    ".log": "text/plain",
    ".markdown": "text/markdown",
    ".md": "text/markdown",
    ".mka": "audio/x-matroska",
    ".mkv": "video/x-matroska",
    ".ndjson": "application/jsonl",
    ".parquet": "application/vnd.apache.parquet",
    ".rst": "text/x-rst",
    ".srt": "application/x-subrip",
    ".ssa": "text/x-ssa",
    ".ts": "video/mp2t",
    ".tsv": "text/tab-separated-values",
    ".vtt": "text/vtt",
}
# One or two fixed bytes: other binary files begin so too, hence a name that says otherwise wins.
_WEAK_FORMATS = {"CUR", "DIB", "FLI", "GBR", "ICO", "MCIDAS", "PCX", "SGI", "WMF"}
# These signatures also fit plain text, so more of it has to fit before it counts.
_TEXT_FORMATS = {
    "PPM": re.compile(rb"\AP(?:[1-6fF]|0CMYK|y(?:RGBA|CMYK|P)?)\s"),
    "XBM": re.compile(rb"#define[ \t]+\S{1,200}_width[ \t]+[0-9]+\s+#define"),
}
_BYTE_ORDER_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
# Zips that are known by their first member; where a program compressed that, only the name says
# what they are. Office's own archives name their parts in the clear.
_NAMED_ZIPS = {"application/epub+zip", "application/vnd.oasis.opendocument.text"}
_ZIP, _OFFICE_PART = b"PK\x03\x04", b"[Content_Types].xml"
# Below this, puremagic has matched a byte or two and guesses.
_MIN_CONFIDENCE = 0.3


def sniff(head: bytes, name: str) -> str:
    """Return the media type of a file from its first ``HEAD_BYTES`` and, at need, its name."""
    by_name = _type_of_name(name)
    if not head:
        return by_name or UNKNOWN
    by_signature = _signature_type(head, by_name)
    if by_signature:
        return by_signature
    if is_svg(head):
        return "image/svg+xml"
    by_content = _magic_type(head, by_name)
    if by_content and _is_sound_in_a_film_box(by_content, by_name):
        return by_name or by_content
    named_image = by_name if _is_image(by_name) and by_name != "image/svg+xml" else None
    if by_content and not by_content.startswith("text/"):
        return named_image if named_image and _is_image(by_content) else by_content
    if named_image:
        return named_image
    if by_content or _is_text(head):
        return _text_type(by_name) or by_content or "text/plain"
    return by_name or UNKNOWN


def _signature_type(head: bytes, by_name: str | None) -> str | None:
    for image_format, accepts in _signatures():
        if not _accepted(accepts, head):
            continue
        if image_format in _TEXT_FORMATS and not _TEXT_FORMATS[image_format].search(head):
            continue
        if image_format in _WEAK_FORMATS and by_name:
            return by_name
        return _media_type_of(image_format)
    return None


def _is_image(media_type: str | None) -> TypeGuard[str]:
    return media_type is not None and media_type.startswith("image/")


def _is_sound_in_a_film_box(by_content: str, by_name: str | None) -> bool:
    """Say whether a container that may hold either is named as holding sound, such as an m4a."""
    return by_content.startswith("video/") and bool(by_name and by_name.startswith("audio/"))


def _accepted(accepts: Callable[[bytes], bool | str], head: bytes) -> bool:
    """Ask one format; like Pillow, treat the errors of a head that is too short as a no."""
    try:
        return bool(accepts(head[:16]))
    except (SyntaxError, IndexError, TypeError, struct.error):
        return False


def _magic_type(head: bytes, by_name: str | None) -> str | None:
    """Ask puremagic; among the types that content allows (zip containers), the name chooses."""
    import puremagic

    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return None
    likely = [m.mime_type for m in matches if m.mime_type and m.confidence >= _MIN_CONFIDENCE]
    is_named_zip = by_name in _NAMED_ZIPS and head.startswith(_ZIP) and _OFFICE_PART not in head
    if by_name in likely or is_named_zip:
        return by_name
    return likely[0] if likely else None


def _type_of_name(name: str) -> str | None:
    """Return what the suffix claims: Pillow's table first, for it knows more images."""
    suffix = "." + name.rpartition(".")[2].lower() if "." in name else ""
    image_format = _SUFFIXES.get(suffix) or _image_suffixes().get(suffix)
    if image_format:
        return _media_type_of(image_format)
    return _OTHER_SUFFIXES.get(suffix) or mimetypes.guess_type(f"x{suffix}")[0]


def _text_type(by_name: str | None) -> str | None:
    """Return the name's type where text can be of it: ``text/csv``, ``application/json``."""
    if by_name and by_name.startswith(("text/", "application/")) and by_name != UNKNOWN:
        return by_name
    return None


def _is_text(head: bytes) -> bool:
    if head.startswith(_BYTE_ORDER_MARKS):
        return True
    # The head may end inside a character of up to four bytes.
    text = head.decode("utf-8", "ignore")
    return b"\0" not in head and len(head) - len(text.encode()) < 4


def _media_type_of(image_format: str) -> str:
    from PIL import Image

    known = _MEDIA_TYPES.get(image_format) or Image.MIME.get(image_format)
    return known or f"image/x-{image_format.lower()}"


@cache
def _signatures() -> list[tuple[str, Callable[[bytes], bool | str]]]:
    """Return Pillow's formats that have a signature, the weak signatures last."""
    from PIL import Image

    _register_plugins()
    accepts = [(name, Image.OPEN[name][1]) for name in Image.ID]
    strong_first = sorted(accepts, key=lambda pair: pair[0] in _WEAK_FORMATS)
    return [(name, accept) for name, accept in strong_first if accept is not None]


@cache
def _image_suffixes() -> dict[str, str]:
    from PIL import Image

    _register_plugins()
    return dict(Image.EXTENSION)


def _register_plugins() -> None:
    from crossmodal.pictures import formats

    formats.register()
