"""Show hits in a notebook: a table with a small picture of each, all in one piece of HTML.

Owns the layout; refuses to keep anything. What a source holds is decoded in a child, and what it
says, its name above all, is only ever text. Invariant: the HTML has no script and fetches nothing.
"""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from html import escape
from typing import TYPE_CHECKING

from crossmodal.errors import Refused
from crossmodal.files.archives.opening import split_member
from crossmodal.files.read import is_remote, read_source
from crossmodal.previews.preview import Subject, can_show, preview
from crossmodal.previews.thumbnail import MAX_FILE_BYTES
from crossmodal.views.human import counted, printable
from crossmodal.views.places import snippet

if TYPE_CHECKING:
    from crossmodal.face.hits import Hit, Hits
    from crossmodal.previews.content import Content

MAX_ROWS = 50
"""Hits that are shown: each takes a decoding, and some kB of the notebook's file."""
_SIDE_PX = 96
_READERS = 4
_TEXT_CHARS = 240
_HEADER = ("", "", "score", "strength", "path", "place", "text")
_PNG = b"\x89PNG"
# Not pictures within office documents: for each of them the document would be cut again.
_DIRECT = ("image/", "video/", "audio/", "application/pdf")


def html_of(hits: Hits) -> str:
    """Return the hits as HTML; beyond ``MAX_ROWS`` only their number is told."""
    shown = hits.found[:MAX_ROWS]
    with ThreadPoolExecutor(_READERS) as readers:
        pictures = list(readers.map(picture_of, shown))
    rows = [_row(hit, picture) for hit, picture in zip(shown, pictures, strict=True)]
    head = "".join(f"<th>{name}</th>" for name in _HEADER)
    said = [hits.verdict, *hits.notices, *hits.unanswered]
    if len(hits) > len(shown):
        said.append(f"and {counted(len(hits) - len(shown), 'more hit')}")
    notes = "".join(f"<p><em>{_text(line)}</em></p>" for line in said if line)
    return (
        f"<div><p><strong>{_text(hits.query)}</strong></p>{notes}"
        f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def picture_of(hit: Hit) -> bytes | None:
    """Return a small picture of a hit as JPEG or PNG; None where it cannot be shown (any more)."""
    if not hit.media_type.startswith(_DIRECT):
        return None
    if not can_show(hit.kind, hit.media_type, hit.meta):
        return None
    subject = Subject(
        kind=hit.kind, media_type=hit.media_type, uri=hit.path, text=hit.text, meta=hit.meta
    )
    try:
        return preview(subject, _content(hit.path), _SIDE_PX)
    except (Refused, OSError):
        return None


def _content(path: str) -> Content:
    """Return a remote source's bytes; of a local file only which it is, as films are long."""
    from crossmodal.previews.content import LocalFile

    if is_remote(path) or split_member(path):
        return read_source(path, MAX_FILE_BYTES)
    real = os.path.realpath(path)
    found = os.stat(real)
    return LocalFile(real, found.st_dev, found.st_ino, found.st_size)


def _row(hit: Hit, picture: bytes | None) -> str:
    words = (
        str(hit.rank),
        f"{hit.score:.3f}",
        hit.strength,
        hit.path,
        hit.place,
        snippet(hit.snippet or hit.text, _TEXT_CHARS),
    )
    rank, *others = (f"<td>{_text(word)}</td>" for word in words)
    return f"<tr>{rank}<td>{_image(picture)}</td>{''.join(others)}</tr>"


def _image(picture: bytes | None) -> str:
    if picture is None:
        return ""
    kind = "png" if picture.startswith(_PNG) else "jpeg"
    data = base64.b64encode(picture).decode("ascii")
    return f'<img alt="" style="max-width:{_SIDE_PX}px" src="data:image/{kind};base64,{data}">'


def _text(text: str) -> str:
    return escape(printable(text), quote=True)
