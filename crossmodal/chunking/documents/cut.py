"""Cut a document into passages, figures and page images.

Owns the order of a document's chunks: a picture comes after the passage that it stands with. What
the file says is read in a child process, per format; here its blocks become passages and its
pictures pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from crossmodal.chunking.pieces import CutTools, Flaw, Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused
from crossmodal.sandbox.pool import run_in_child

if TYPE_CHECKING:
    from crossmodal.chunking.documents.items import Item, Picture, Wishes
    from crossmodal.chunking.passages.blocks import Block

REVISION = 1
_OFFICE = "application/vnd.openxmlformats-officedocument."
_FORMATS = {
    "application/pdf": "pdf",
    f"{_OFFICE}wordprocessingml.document": "docx",
    "application/vnd.ms-word.document.macroenabled.12": "docx",
    f"{_OFFICE}presentationml.presentation": "pptx",
    f"{_OFFICE}presentationml.slideshow": "pptx",
    "application/vnd.ms-powerpoint.presentation.macroenabled.12": "pptx",
    "application/epub+zip": "epub",
    "application/vnd.oasis.opendocument.text": "odt",
}
MEDIA_PATTERNS = tuple(_FORMATS)

_MAX_WAITING_BYTES = 100_000_000
_MAX_TEXT = 2000
_LOOK_BACK = 200
# Pages are drawn twice as large as this: 10-point type on A4 is then 20 pixels high.
_READABLE_SIDE = 600


def cut(source: Source, rules: ChunkRules, tools: CutTools) -> Iterator[Piece | Flaw]:
    """Yield pieces of kind ``passage``, ``figure`` and ``page_image``.

    Raises:
        Refused: The file cannot be read, holds nothing, or makes too many chunks.
    """
    if not source.data:
        raise Refused("empty", "the file has no bytes")
    num_pieces = 0
    with closing(_items(source, rules, tools)) as items:
        for piece in _Weaver(items).pieces(rules, tools):
            num_pieces += isinstance(piece, Piece)
            if num_pieces > rules.max_chunks:
                detail = f"the document makes more than {rules.max_chunks} chunks"
                raise Refused("too_many_chunks", detail)
            yield piece
    if not num_pieces:
        raise Refused("no_content", "the document holds no text and no picture that can be used")


def _items(source: Source, rules: ChunkRules, tools: CutTools) -> Generator[Item]:
    from crossmodal.chunking.documents.items import Block, Picture, Wishes

    wishes = Wishes(
        figures=rules.figures,
        page_images=rules.page_images,
        max_pages=rules.max_pages,
        max_megapixels=rules.max_megapixels,
        min_side=_min_side(rules, tools),
    )
    return run_in_child(
        _parser(source.media_type),
        source.data,
        wishes,
        yields=(Block, Picture, Flaw),
        max_seconds=rules.max_seconds,
        max_memory_bytes=rules.max_memory_bytes,
    )


def _min_side(rules: ChunkRules, tools: CutTools) -> int | None:
    """Return how large pictures must be: for reading, half of what makes 10-point type legible."""
    if tools.min_side is None or not rules.ocr:
        return tools.min_side
    return max(tools.min_side, _READABLE_SIDE)


def _parser(media_type: str) -> Callable[[bytes, Wishes], Iterator[Item]]:
    """Return the function that reads documents of a media type; importing it costs no library."""
    from crossmodal.chunking.documents.epub import book
    from crossmodal.chunking.documents.office import docx, odt, pptx
    from crossmodal.chunking.documents.pdf import parse as pdf

    parsers = {
        "docx": docx.parse,
        "epub": book.parse,
        "odt": odt.parse,
        "pdf": pdf.parse,
        "pptx": pptx.parse,
    }
    return parsers[_FORMATS[media_type.lower()]]


class _Weaver:
    """Put pictures and flaws between the passages of the text that came with them."""

    def __init__(self, items: Iterator[Item]) -> None:
        self._items = items
        self._ended = False
        self._waiting: list[Picture] = []
        self._num_waiting_bytes = 0
        self._flaws: list[Flaw] = []
        self._passages: list[tuple[int, Piece, str]] = []
        self._num_pieces = 0

    def pieces(self, rules: ChunkRules, tools: CutTools) -> Iterator[Piece | Flaw]:
        """Yield everything; text goes through the splitter in as few runs as memory allows."""
        from crossmodal.chunking.passages.passages import passages

        while not self._ended:
            for passage in passages(self._blocks(), rules, tools):
                yield from self._pictures_before(passage)
                yield from self._passage(passage)
                yield from self._drained_flaws()
            yield from self._show(self._waiting)
            yield from self._drained_flaws()

    def _blocks(self) -> Iterator[Block]:
        """Yield blocks and put the rest aside, until the pictures aside are too large."""
        from crossmodal.chunking.documents.items import Picture

        while self._num_waiting_bytes < _MAX_WAITING_BYTES:
            item = next(self._items, None)
            if item is None:
                self._ended = True
                return
            if isinstance(item, Picture):
                self._waiting.append(item)
                self._num_waiting_bytes += len(item.rgb)
            elif isinstance(item, Flaw):
                self._flaws.append(item)
            else:
                yield item

    def _pictures_before(self, passage: Piece) -> Iterator[Piece]:
        """Yield the pictures of the pages, or chapters, before a passage begins."""
        begin = _place(passage)
        yield from self._show([p for p in self._waiting if _place(p) < begin])

    def _passage(self, passage: Piece) -> Iterator[Piece]:
        """Yield a passage and the pictures that stand right after its words."""
        words = _squeezed(passage.text)
        self._passages = [*self._passages[-_LOOK_BACK:], (self._num_pieces, passage, words)]
        self._num_pieces += 1
        yield passage
        after = [p for p in self._waiting if p.before and _squeezed(p.before) in words]
        yield from self._show([p for p in after if _place(p) <= _end_place(passage)])

    def _show(self, pictures: list[Picture]) -> Iterator[Piece]:
        shown = {id(picture) for picture in pictures}
        self._waiting = [picture for picture in self._waiting if id(picture) not in shown]
        for picture in pictures:
            self._num_waiting_bytes -= len(picture.rgb)
            yield self._piece(picture)
            self._num_pieces += 1

    def _drained_flaws(self) -> Iterator[Flaw]:
        flaws, self._flaws = self._flaws, []
        yield from flaws

    def _piece(self, picture: Picture) -> Piece:
        import numpy as np

        pixels = np.frombuffer(bytearray(picture.rgb), dtype=np.uint8)  # writable, as torch asks
        words = [text for text in (picture.caption, picture.nearby) if text]
        return Piece(
            kind=picture.kind,
            modality="image",
            text="\n".join(words)[:_MAX_TEXT],
            picture=pixels.reshape(picture.height, picture.width, 3),
            caption=picture.caption,
            section=picture.section,
            parent=self._parent(picture),
            position=picture.position,
            facts=picture.facts,
        )

    def _parent(self, picture: Picture) -> int | None:
        """Return the passage that holds the words before a figure, or the last of its page."""
        if picture.kind != "figure":
            return None
        before = _squeezed(picture.before)
        on_page = [
            (ordinal, words)
            for ordinal, passage, words in self._passages
            if _place(passage) <= _place(picture) <= _end_place(passage)
        ]
        for ordinal, words in on_page:
            if before and before in words:
                return ordinal
        has_place = _place(picture) > 0
        return on_page[-1][0] if on_page and has_place else None


def _place(part: Piece | Picture) -> int:
    """Return the page, or chapter, on which something begins; 0 where there are none."""
    return int(part.position.get("page", part.position.get("chapter", 0)))


def _end_place(passage: Piece) -> int:
    position = passage.position
    return int(position.get("page_end", position.get("chapter_end", _place(passage))))


def _squeezed(text: str) -> str:
    return "".join(text.split())
