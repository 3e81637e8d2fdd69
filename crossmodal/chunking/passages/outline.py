"""Follow the headings of a text while its blocks are found.

Owns the section path; refuses to know any markup. A heading is no block, for it stands in the
path of the blocks below it; only one that has nothing below it becomes a block of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from crossmodal.chunking.passages.blocks import Block

_MAX_HEADING_CHARS = 300


@dataclass(frozen=True, slots=True)
class Structured:
    """Hold what a parser found in a text; the title is empty where there is none."""

    blocks: list[Block]
    title: str = ""


@dataclass(slots=True)
class Outline:
    """Collect blocks under the headings that are open."""

    blocks: list[Block] = field(default_factory=list)
    _open: list[tuple[int, str]] = field(default_factory=list)
    _bare_position: dict[str, Any] | None = None
    """Where the last heading stands as long as nothing has come below it."""

    @property
    def section(self) -> tuple[str, ...]:
        """Return the path of the headings that are open."""
        return tuple(heading for _, heading in self._open)

    def enter(self, level: int, heading: str, position: dict[str, Any] | None = None) -> None:
        """Close what is as deep or deeper, and open a heading; a long one is a paragraph."""
        heading = " ".join(heading.split())
        if not heading:
            return
        if self._open and level <= self._open[-1][0]:
            self._keep_bare_heading()
        while self._open and self._open[-1][0] >= level:
            self._open.pop()
        if len(heading) > _MAX_HEADING_CHARS:
            self.add(heading, position)
            return
        self._open.append((level, heading))
        self._bare_position = position or {}

    def add(self, text: str, position: dict[str, Any] | None = None) -> None:
        """Add a block under the open headings, unless it is blank."""
        if text.strip():
            self.blocks.append(Block(text=text, section=self.section, position=position or {}))
            self._bare_position = None

    def finish(self) -> list[Block]:
        """Return the blocks; to be called once, after the last."""
        self._keep_bare_heading()
        return self.blocks

    def _keep_bare_heading(self) -> None:
        if self._bare_position is not None and self._open:
            self.add(self._open[-1][1], self._bare_position)


def line_starts(text: str) -> list[int]:
    """Return where each line begins, and one more for the end of the text."""
    return [0, *_line_ends(text)]


def _line_ends(text: str) -> Iterator[int]:
    end = 0
    for line in text.split("\n"):
        end = min(end + len(line) + 1, len(text))
        yield end
