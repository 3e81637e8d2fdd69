"""Turn queries and hits into what a reranker reads: a text with its headings, or a picture.

Pictures are drawn as previews are, in a child, whatever they stand in: a file, a film, a page or a
figure. Invariant: a hit that cannot be shown any more is left out, and so keeps its place.
"""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from crossmodal.encoders.rerankers.reranker import Side
from crossmodal.errors import Refused
from crossmodal.files.archives.opening import split_member
from crossmodal.files.read import is_remote, read_source
from crossmodal.previews.content import MAX_FILE_BYTES, Content, LocalFile
from crossmodal.previews.preview import Subject, preview, small_picture
from crossmodal.previews.thumbnail import thumbnail

if TYPE_CHECKING:
    from crossmodal.records import Hit


def side_of_query(text: str, picture: str | bytes, side_px: int) -> Side:
    """Return a query as a reranker reads it.

    Raises:
        Refused: its picture cannot be shown.
    """
    if isinstance(picture, bytes):
        return Side(picture=small_picture(picture, side_px or 1))
    if picture:
        return Side(picture=thumbnail(picture, (side_px or 1, side_px or 1)))
    return Side(text=text)


def side_of_hit(hit: Hit, side_px: int, content_hash: str | None = None) -> Side | None:
    """Return a hit as a reranker reads it; None where its picture is not to be had.

    ``content_hash``: what fetched bytes have to be; None for whatever they are by now.
    """
    words = "\n".join(part for part in (hit.section, hit.text) if part)
    if hit.modality != "image":
        return Side(text=words)
    from PIL import Image

    subject = Subject(
        kind=hit.kind, media_type=hit.media_type, uri=hit.uri, text=hit.text, meta=hit.meta
    )
    try:
        shown = preview(subject, _content(hit.uri, content_hash), side_px)
    except (Refused, OSError):
        return None
    return Side(text=words, picture=Image.open(io.BytesIO(shown)).convert("RGB"))


def is_fetched(uri: str) -> bool:
    """Say whether a source is no file of its own here, and so is read as bytes."""
    return is_remote(uri) or split_member(uri) is not None


def _content(uri: str, content_hash: str | None) -> Content:
    if is_fetched(uri):
        return read_source(uri, MAX_FILE_BYTES, content_hash)
    path = os.path.realpath(uri)
    seen = os.stat(path)
    return LocalFile(path, seen.st_dev, seen.st_ino, seen.st_size)
