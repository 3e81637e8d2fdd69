"""Draw the hits of some queries as one picture: a row a query, best hit first.

Owns the layout; refuses to search. A hit that cannot be shown keeps its place as a grey tile that
says why, so that the sheet always has as many tiles as there were hits.
"""

from __future__ import annotations

import io
import itertools
import os
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal.errors import PathError
from crossmodal.previews.content import content_of
from crossmodal.previews.preview import Subject, preview
from crossmodal.previews.thumbnail import thumbnail
from crossmodal.records import Hit
from crossmodal.views.human import counted
from crossmodal.views.places import place_of

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_TILE = (232, 174)
_GAP = 16
_MARGIN = 32
_TITLE_PX = 24
_TITLE_HEIGHT = 46
_SCORE_PX = 15
_NAME_PX = 13
_CAPTION_HEIGHT = 48
_ROW_GAP = 20
_READERS = 4

_PAPER = "#ffffff"
_INK = "#1c1c1e"
_FAINT = "#6e6e73"
_PANEL = "#f2f2f4"
_GREY = "#d9d9de"


@dataclass(frozen=True, slots=True)
class QueryRow:
    """Name one query and its hits, best first."""

    title: str
    hits: list[Hit]
    drawn: Mapping[int, Image.Image] = field(default_factory=dict)
    """By chunk, what is shown in place of a hit's own picture."""


def contact_sheet(rows: list[QueryRow], out: Path, columns: int = 5) -> None:
    """Write the sheet as PNG in one step; more hits than columns go on below their row.

    Raises:
        PathError: The file cannot be written.
    """
    sheet = _draw_sheet(rows, columns)
    part = out.parent / f".{out.name}.{os.getpid()}.part"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        sheet.save(part, "PNG")
        part.replace(out)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise PathError(
            f"cannot write the contact sheet to {out}: {error.strerror or error}"
        ) from error


def _draw_sheet(rows: list[QueryRow], columns: int) -> Image.Image:
    from PIL import Image, ImageDraw

    width = 2 * _MARGIN + columns * _TILE[0] + (columns - 1) * _GAP
    height = 2 * _MARGIN - _ROW_GAP + sum(_row_height(row, columns) for row in rows)
    sheet = Image.new("RGB", (width, max(height, 2 * _MARGIN)), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for row in rows:
        _draw_title(draw, row, top, width - 2 * _MARGIN)
        for hit, tile, corner in _tiles(row, top + _TITLE_HEIGHT, columns):
            sheet.paste(tile, corner)
            _draw_caption(draw, hit, (corner[0], corner[1] + _TILE[1]))
        top += _row_height(row, columns)
    return sheet


def _row_height(row: QueryRow, columns: int) -> int:
    lines = -(-len(row.hits) // columns)
    return _TITLE_HEIGHT + lines * (_TILE[1] + _CAPTION_HEIGHT) + _ROW_GAP


def _tiles(
    row: QueryRow, top: int, columns: int
) -> Iterator[tuple[Hit, Image.Image, tuple[int, int]]]:
    """Yield each hit with its tile and the tile's upper left corner."""
    with ThreadPoolExecutor(_READERS) as readers:
        tiles = readers.map(lambda hit: _tile(hit, row.drawn.get(hit.chunk_id)), row.hits)
        for index, (hit, tile) in enumerate(zip(row.hits, tiles, strict=True)):
            line, column = divmod(index, columns)
            x = _MARGIN + column * (_TILE[0] + _GAP)
            yield hit, tile, (x, top + line * (_TILE[1] + _CAPTION_HEIGHT))


def _tile(hit: Hit, drawn: Image.Image | None) -> Image.Image:
    """Return the hit's words, or its picture in the middle of a tile, or grey with the reason."""
    from PIL import Image, ImageDraw

    from crossmodal.errors import Refused

    if hit.modality == "text":
        return _words(hit.text)
    try:
        picture = _fitting(drawn) if drawn else _picture(hit)
    except Refused as refused:
        tile = Image.new("RGB", _TILE, _GREY)
        middle = (_TILE[0] / 2, _TILE[1] / 2)
        reason = refused.reason.replace("_", " ")
        ImageDraw.Draw(tile).text(middle, reason, _FAINT, _font(_SCORE_PX), anchor="mm")
        return tile
    tile = Image.new("RGB", _TILE, _PANEL)
    tile.paste(picture, ((_TILE[0] - picture.width) // 2, (_TILE[1] - picture.height) // 2))
    return tile


def _picture(hit: Hit) -> Image.Image:
    """Return what was embedded, in a tile: the picture, region, frame, page, figure or wave."""
    from PIL import Image

    if hit.kind == "image":
        return thumbnail(hit.uri, _TILE)
    subject = Subject(
        kind=hit.kind, media_type=hit.media_type, uri=hit.uri, text=hit.text, meta=hit.meta
    )
    shown = preview(subject, content_of(hit.uri), max(_TILE))
    return _fitting(Image.open(io.BytesIO(shown), formats=("JPEG", "PNG")).convert("RGB"))


def _fitting(picture: Image.Image) -> Image.Image:
    """Return a picture within a tile."""
    smaller = picture.copy()
    smaller.thumbnail(_TILE)
    return smaller


def _words(text: str) -> Image.Image:
    """Return a tile with as many of the words as fit."""
    from PIL import Image, ImageDraw

    tile = Image.new("RGB", _TILE, _PANEL)
    font, margin, line_height = _font(_NAME_PX), 10, _NAME_PX + 5
    lines = _wrapped(_drawable(" ".join(text.split())), font, _TILE[0] - 2 * margin)
    shown = itertools.islice(lines, (_TILE[1] - 2 * margin) // line_height)
    ImageDraw.Draw(tile).multiline_text((margin, margin), "\n".join(shown), _INK, font, spacing=5)
    return tile


def _wrapped(text: str, font: Font, width: int) -> Iterator[str]:
    """Yield lines that fit the width; a word that does not is cut."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".lstrip()
        if line and font.getlength(longer) > width:
            yield line
            longer = word
        line = _shorten(longer, lambda part: font.getlength(part) <= width)
    if line:
        yield line


def _draw_title(draw: ImageDraw.ImageDraw, row: QueryRow, top: int, width: int) -> None:
    font = _font(_TITLE_PX)
    title = _shorten(_drawable(row.title), lambda text: font.getlength(text) <= width)
    draw.text((_MARGIN, top), title, _INK, font)
    if not row.hits:
        x = _MARGIN + font.getlength(title + "   ")
        draw.text((x, top), "no hits", _FAINT, font)


def _draw_caption(draw: ImageDraw.ImageDraw, hit: Hit, corner: tuple[int, int]) -> None:
    x, y = corner
    score, copies = f"{hit.score:.3f}", _copies(hit.num_copies)
    score_font, name_font = _font(_SCORE_PX), _font(_NAME_PX)
    draw.text((x, y + 6), score, _INK, score_font)
    draw.text((x + score_font.getlength(score + "  "), y + 8), copies, _FAINT, name_font)
    place = place_of(hit.meta)
    name = _drawable(hit.uri.rstrip("/").rsplit("/", 1)[-1] + (f", {place}" if place else ""))
    shown = _shorten(name, lambda text: name_font.getlength(text) <= _TILE[0])
    draw.text((x, y + 25), shown, _FAINT, name_font)


def _copies(num_copies: int) -> str:
    return f"and {counted(num_copies - 1, 'copy', 'copies')}" if num_copies > 1 else ""


def _shorten(text: str, fits: Callable[[str], bool]) -> str:
    """Return the text, its middle replaced by an ellipsis where it does not fit."""
    if fits(text):
        return text
    kept = len(text) - 1
    while kept > 2 and not fits(_without_middle(text, kept)):
        kept -= max(1, kept // 20)
    return _without_middle(text, kept)


def _without_middle(text: str, kept: int) -> str:
    tail = kept // 2
    return f"{text[: kept - tail]}…{text[len(text) - tail :]}"


def _drawable(text: str) -> str:
    """Return text on one line in what the font has: no accents, control characters escaped."""
    letters = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in letters)


def _font(size_px: int) -> Font:
    """Return the font that Pillow carries, so that sheets look alike everywhere."""
    from PIL import ImageFont

    return ImageFont.load_default(size_px)
