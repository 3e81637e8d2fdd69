"""Join the blocks of a source into stretches of text in which passages are cut.

Owns where blocks and headings lie in a stretch; refuses to know tokens. A heading stands in the
text once, where its section begins; a passage that begins further down is told what it is under.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.passages.positions import part_position

# Bounds what is measured at once; passages do not reach over its edge.
_MAX_CHARS = 200_000
_JOIN = "\n\n"


@dataclass(frozen=True, slots=True)
class Mark:
    """Say where in a stretch a block begins, its headings first, and where its own text does."""

    begin: int
    body: int
    block: Block
    opens_section: bool
    num_shown: int
    """How many headings of its section, counted from the innermost, its text begins with."""


@dataclass(slots=True)
class Stretch:
    """Hold the text of some blocks in a row."""

    marks: list[Mark] = field(default_factory=list)
    _parts: list[str] = field(default_factory=list)
    _begins: list[int] = field(default_factory=list)
    num_chars: int = 0

    @property
    def text(self) -> str:
        """Return the blocks with a blank line between them."""
        return _JOIN.join(self._parts)

    def add(self, block: Block, headings: tuple[str, ...], num_shown: int, opens: bool) -> None:
        """Append a block below the headings that are new with it."""
        head = "".join(f"{heading}\n" for heading in headings)
        begin = self.num_chars + (len(_JOIN) if self._parts else 0)
        self._parts.append(head + block.text)
        self._begins.append(begin)
        self.marks.append(Mark(begin, begin + len(head), block, opens, num_shown))
        self.num_chars = begin + len(head) + len(block.text)

    def marks_of(self, begin: int, stop: int) -> list[Mark]:
        """Return the marks of the blocks in a range of characters."""
        first = bisect_right(self._begins, begin) - 1
        return self.marks[first : bisect_right(self._begins, stop - 1)]

    def above(self, begin: int) -> tuple[str, ...]:
        """Return the headings, outermost first, over what begins at a character."""
        mark = self.marks[bisect_right(self._begins, begin) - 1]
        section = mark.block.section
        lead = len(mark.block.text) - len(mark.block.text.lstrip())
        starts_here = begin <= mark.body + lead
        return section[: len(section) - mark.num_shown] if starts_here else section


def stretches(blocks: Iterable[Block], *, apart: bool) -> Iterator[Stretch]:
    """Collect blocks as they come; ``apart``: each section begins a stretch of its own.

    So does a block that stands apart by itself, and it shows its headings in full.
    """
    stretch = Stretch()
    section: tuple[str, ...] = ()
    for block in blocks:
        if not block.text.strip():
            continue
        opens = block.section != section or block.apart
        headings, num_shown = _headings(() if block.apart else section, block)
        for part in _parts(block):
            full = stretch.num_chars + len(part.text) > _MAX_CHARS
            if stretch.marks and (full or (opens and (apart or block.apart))):
                yield stretch
                stretch = Stretch()
            stretch.add(part, headings, num_shown, opens)
            opens, headings, num_shown = False, (), 0
        section = block.section
    if stretch.marks:
        yield stretch


def _headings(before: tuple[str, ...], block: Block) -> tuple[tuple[str, ...], int]:
    """Return the headings that have come since the block before, and how many the text shows.

    A block that begins with its own heading does not get it twice.
    """
    section = block.section
    num_shared = next(
        (i for i, (old, new) in enumerate(zip(before, section, strict=False)) if old != new),
        min(len(before), len(section)),
    )
    headings = section[num_shared:]
    num_shown = len(headings)
    if headings and block.text.lstrip().startswith(headings[-1]):
        headings = headings[:-1]
    return tuple(heading for heading in headings if heading.strip()), num_shown


def _parts(block: Block) -> Iterator[Block]:
    """Yield a huge block in parts, cut at the end of a paragraph, a line or a word at best."""
    text, begin = block.text, 0
    while begin < len(text):
        stop = begin + _MAX_CHARS
        if stop < len(text):
            middle = begin + _MAX_CHARS // 2
            ends = (text.rfind(mark, middle, stop) for mark in ("\n\n", "\n", " "))
            stop = next((end for end in ends if end > 0), stop - 1) + 1
        part = text[begin:stop]
        if part.strip():
            position = part_position(block, begin, begin + len(part))
            yield replace(block, text=part, position=position)
        begin = stop
