"""Make a preview of a chunk: the picture, frame, page, figure or wave that was embedded.

Owns which drawing shows which kind of chunk; refuses to keep anything. Nothing is decoded in this
process: whatever a hostile file does, it does to a child with a limit on time and memory.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossmodal.errors import Refused
from crossmodal.pictures.fractions import Fractions
from crossmodal.previews import draw
from crossmodal.previews.content import Content, bytes_of, opened
from crossmodal.previews.draw import jpeg
from crossmodal.sandbox.pool import run_in_child

if TYPE_CHECKING:
    from PIL.Image import Image

_MAX_SECONDS = 15.0
_MAX_MEMORY_BYTES = 1_500_000_000
_MAX_DOCUMENT_BYTES = 100_000_000
_IN_DOCUMENTS = ("figure", "page_image", "cell_image")
_PDF = "application/pdf"
_DEFAULT_WAVE_S = 10.0
_NUM_SIDES = 4
_PASSAGE_LETTERS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Say what is to be shown: a chunk, and the content that it stands in."""

    kind: str
    media_type: str
    """Of ``content``, which of subtitles may be the film beside them."""
    uri: str
    chunker: str = ""
    """The fingerprint of what cut it; empty for hits, which do not carry it."""
    text: str = ""
    meta: dict[str, Any] = field(default_factory=dict)


def can_show(kind: str, media_type: str, meta: dict[str, Any]) -> bool:
    """Return whether there may be a preview, without looking at the content."""
    if media_type.startswith(("image/", "video/", "audio/")):
        return True
    return kind in _IN_DOCUMENTS or (media_type == _PDF and "page" in meta)


def preview(subject: Subject, content: Content, side_px: int) -> bytes:
    """Return the preview within a square of ``side_px``, as JPEG or, of sound, PNG.

    Raises:
        Refused: The content is damaged, too large or no longer what it was, or takes too long;
            ``no_preview`` where there is nothing to see.
    """
    kind, meta = subject.kind, subject.meta
    if subject.media_type.startswith("image/"):
        return _drawn(draw.draw_picture, content, side_px, _box_of(kind, "region", meta))
    if subject.media_type.startswith("video/"):
        at_s = float(meta.get("frame_s", meta.get("start_s", 0.0)))
        return _drawn(draw.draw_frame, content, at_s, side_px)
    if subject.media_type.startswith("audio/"):
        start_s = float(meta.get("start_s", 0.0))
        end_s = max(start_s + 0.1, float(meta.get("end_s", start_s + _DEFAULT_WAVE_S)))
        return _drawn(draw.draw_wave, content, start_s, end_s, side_px)
    if subject.media_type == _PDF and "page" in meta:
        box = _box_of(kind, "figure", meta)
        return _drawn(draw.draw_page, content, int(meta["page"]), box, side_px)
    if kind in _IN_DOCUMENTS:
        return _figure(subject, content, side_px)
    raise Refused("no_preview", f"a {kind} of {subject.media_type} is not shown as a picture")


def small_picture(data: bytes, side_px: int) -> Image:
    """Return a picture that somebody sent, decoded in a child and made small, as RGB.

    Raises:
        Refused: The bytes are no whole image, or one that is too large.
    """
    from PIL import Image

    size_and_pixels = (tuple[int, int, bytes],)
    width, height, pixels = _from_child(size_and_pixels, draw.draw_query, data, side_px)
    return Image.frombytes("RGB", (width, height), pixels)


def _drawn(function: Callable[..., Iterator[bytes]], content: Content, *args: Any) -> bytes:
    with opened(content) as shown:
        drawn: bytes = _from_child((bytes,), function, shown, *args)
    return drawn


def _box_of(kind: str, with_part: str, meta: dict[str, Any]) -> Fractions | None:
    """Return the part of a page or a picture that a chunk shows, in shares of its sides."""
    box = meta.get("box") if kind == with_part else None
    return tuple(box) if box and len(box) == _NUM_SIDES else None


def _from_child(yields: tuple[Any, ...], function: Callable[..., Iterator[Any]], *args: Any) -> Any:
    drawn = run_in_child(
        function,
        *args,
        yields=yields,
        max_seconds=_MAX_SECONDS,
        max_memory_bytes=_MAX_MEMORY_BYTES,
    )
    # To the end, because an iterator that is left early costs the child its life.
    (only,) = drawn
    return only


def _figure(subject: Subject, content: Content, side_px: int) -> bytes:
    """Cut the document again and return the picture that stands where the chunk does."""
    with closing(_pieces(subject, content, side_px)) as pieces:
        for piece in pieces:
            same_place = piece.position.items() <= subject.meta.items()
            if piece.kind == subject.kind and piece.text == subject.text and same_place:
                return _encoded(piece.picture, side_px)
    raise Refused("missing", "the document no longer holds this picture")


def _pieces(subject: Subject, content: Content, side_px: int) -> Generator[Any]:
    from crossmodal.chunking.pieces import CutTools, Piece, Source
    from crossmodal.chunking.registry import chunker_of, reader_of
    from crossmodal.chunking.rules import ChunkRules

    chunker = chunker_of(subject.chunker) if subject.chunker else reader_of(subject.media_type)
    if chunker is None:
        raise Refused("no_preview", f"nothing here reads {subject.media_type}")
    data = _document_bytes(content)
    rules = ChunkRules(
        chunk_tokens=_PASSAGE_LETTERS,
        max_seconds=_MAX_SECONDS,
        max_memory_bytes=_MAX_MEMORY_BYTES,
    )
    tools = CutTools(measure=_Letters(), min_side=side_px)
    source = Source(subject.uri, subject.media_type, data)
    return (piece for piece in chunker.cut(source, rules, tools) if isinstance(piece, Piece))


def _document_bytes(content: Content) -> bytes:
    if isinstance(content, bytes):
        return content
    if content.size_bytes > _MAX_DOCUMENT_BYTES:
        raise Refused("too_large", "the document is too large to look for one picture in it")
    with opened(content) as file:
        return bytes_of(file)


def _encoded(picture: Any, side_px: int) -> bytes:
    if isinstance(picture, bytes):
        return _drawn(draw.draw_picture, picture, side_px)
    from PIL import Image

    return jpeg(Image.fromarray(picture), side_px)


class _Letters:
    """Measure text by letters: where a picture stands does not depend on how passages are cut."""

    fingerprint = "letters"
    max_tokens = 100_000

    def count(self, text: str) -> int:
        """Return the number of letters."""
        return len(text)

    def offsets(self, text: str) -> list[tuple[int, int]]:
        """Return every letter's place."""
        return [(i, i + 1) for i in range(len(text))]
