"""Keep track of the headings that a parser has passed.

Owns the path of headings and the rule that no words are lost: a heading with nothing below it
becomes a block. Levels may be any numbers; a larger one is further in.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from crossmodal.chunking.passages.blocks import Block

_MAX_HEADING = 300
_MAX_DEPTH = 12
BEFORE = 32


class Outline:
    """Turn headings and texts, in reading order, into blocks that know their section."""

    def __init__(self) -> None:
        self._path: list[tuple[float, str]] = []
        self._lonely: Block | None = None
        self.last_text = ""
        """The latest block's or heading's text."""

    @property
    def section(self) -> tuple[str, ...]:
        """Return the headings from the outermost to the innermost."""
        return tuple(title for _, title in self._path)

    @property
    def before(self) -> str:
        """Return the end of the latest text, by which its passage is found again."""
        return self.last_text[-BEFORE:]

    def heading(
        self, level: float, title: str, position: dict[str, Any] | None = None
    ) -> Iterator[Block]:
        """Enter a section; yield the heading before it where that had nothing below it."""
        title = " ".join(title.split())[:_MAX_HEADING]
        if not title:
            return
        deeper = bool(self._path) and level > self._path[-1][0]
        if self._lonely is not None and not deeper:
            yield self._lonely
        while self._path and (self._path[-1][0] >= level or len(self._path) >= _MAX_DEPTH):
            self._path.pop()
        self._lonely = Block(text=title, section=self.section, position=dict(position or {}))
        self._path.append((level, title))
        self.last_text = title

    def text(
        self,
        text: str,
        position: dict[str, Any] | None = None,
        facts: dict[str, Any] | None = None,
    ) -> Iterator[Block]:
        """Yield the text as a block of the section; nothing where it is only white space."""
        text = text.strip()
        if not text:
            return
        self._lonely = None
        self.last_text = text
        yield Block(
            text=text,
            section=self.section,
            position=dict(position or {}),
            facts=dict(facts or {}),
        )

    def leave(self) -> Iterator[Block]:
        """Leave all sections, as at the next slide."""
        yield from self.end()
        self._path.clear()

    def end(self) -> Iterator[Block]:
        """Yield the last heading where it had nothing below it."""
        if self._lonely is not None:
            yield self._lonely
            self._lonely = None
