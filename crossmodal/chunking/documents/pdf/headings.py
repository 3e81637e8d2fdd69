"""Tell headings from text on the pages of a PDF; runs in the child.

Where the document has bookmarks, they are the headings and their titles are looked for on the page;
where it has none, size, weight and numbering speak. Levels are numbers; larger is further in.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crossmodal.chunking.documents.pdf.paragraphs import Paragraph

_MAX_BOOKMARKS = 5000
_MIN_BOOKMARKS = 3
_MAX_TITLE = 200
_LARGER = 1.15
_NUMBERED = re.compile(r"(?:\d{1,2}(?:\.\d{1,2})*\.?|[A-Z]\.|[IVX]+\.|§\s*\d+)\s+\S")
_LETTERS = re.compile(r"[^\W\d_]{2}")
_NO_TITLE_END = (".", ",", ";", "-")


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Hold an entry of the document's own outline."""

    level: int
    title: str
    y: float | None
    """Where on the page it leads, in points upwards; None: the page as a whole."""


Headings = Iterator[tuple[float, str]]


class HeadingFinder:
    """Say what each paragraph of a page is: text, or headings to enter before or instead."""

    def __init__(self, document: Any, body_size: float) -> None:
        self._bookmarks = _bookmarks(document)
        self._body_size = body_size

    def mark(
        self, number: int, page: list[Paragraph]
    ) -> Iterator[tuple[list[tuple[float, str]], Paragraph | None]]:
        """Yield for each paragraph of page ``number`` (from 0) the headings that it opens.

        The paragraph is None where it is itself the heading.
        """
        if self._bookmarks:
            yield from _by_bookmarks(self._bookmarks.get(number, []), page)
            return
        for paragraph in page:
            level = _level(paragraph, self._body_size)
            if level is None:
                yield [], paragraph
            else:
                yield [(level, paragraph.text)], None


def _by_bookmarks(
    bookmarks: list[Bookmark], page: list[Paragraph]
) -> Iterator[tuple[list[tuple[float, str]], Paragraph | None]]:
    found = {index: _find(bookmark, page) for index, bookmark in enumerate(bookmarks)}
    waiting = list(enumerate(bookmarks))
    for position, paragraph in enumerate(page):
        top = paragraph.box[3]
        opened = [
            (index, mark)
            for index, mark in waiting
            if found[index] == position
            or (found[index] is None and (mark.y is None or mark.y >= top - 2))
        ]
        waiting = [entry for entry in waiting if entry not in opened]
        is_title = any(found[index] == position for index, _ in opened)
        yield [(mark.level, mark.title) for _, mark in opened], None if is_title else paragraph
    if waiting:
        yield [(mark.level, mark.title) for _, mark in waiting], None


def _find(bookmark: Bookmark, page: list[Paragraph]) -> int | None:
    """Return which paragraph is the title, with or without its number, or None."""
    wanted = _letters_of(bookmark.title)
    if not wanted:
        return None
    for position, paragraph in enumerate(page):
        if len(paragraph.lines) > 4:
            continue
        text = _letters_of(paragraph.text)
        if text.endswith(wanted) and len(text) <= len(wanted) + 10:
            return position
    return None


def _letters_of(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def _level(paragraph: Paragraph, body_size: float) -> float | None:
    """Return how far in a heading stands that is told by its looks, or None."""
    text = paragraph.text
    if not body_size or len(text) > _MAX_TITLE or len(paragraph.lines) > 3:
        return None
    if not _LETTERS.search(text):
        return None
    ratio = paragraph.size / body_size
    is_numbered = bool(_NUMBERED.match(text))
    if ratio >= _LARGER:
        return -round(ratio * 10)
    if paragraph.bold and ratio > 0.95 and not text.rstrip().endswith(_NO_TITLE_END):
        depth = text.split(maxsplit=1)[0].rstrip(".").count(".") if is_numbered else 0
        return -10.5 + 0.1 * depth
    return None


def _bookmarks(document: Any) -> dict[int, list[Bookmark]]:
    """Return the bookmarks by page; nothing where there are too few to go by."""
    by_page: dict[int, list[Bookmark]] = defaultdict(list)
    num_found = 0
    for entry in document.get_toc(max_depth=6):
        title, target = entry.get_title().strip(), entry.get_dest()
        index = target.get_index() if target is not None else None
        if not title or index is None or index < 0:
            continue
        by_page[index].append(Bookmark(entry.level, title, _height(target)))
        num_found += 1
        if num_found >= _MAX_BOOKMARKS:
            break
    return dict(by_page) if num_found >= _MIN_BOOKMARKS else {}


def _height(target: Any) -> float | None:
    """Return the y of a destination that has one (its kinds XYZ and FitH)."""
    kind, values = target.get_view()
    if kind == 1 and len(values) >= 2:
        return float(values[1]) or None
    if kind == 3 and values:
        return float(values[0]) or None
    return None
