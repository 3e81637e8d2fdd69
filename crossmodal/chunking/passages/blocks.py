"""Define the parts of a text that a parser hands to the passage splitter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Hold a run of text that belongs together: a paragraph, a cell of a slide, a subtitle cue."""

    text: str
    section: tuple[str, ...] = ()
    """Headings from the outermost to the one above the block; the heading is no block itself."""
    position: dict[str, Any] = field(default_factory=dict)
    """Where it stands, as in ``Piece.position``; equal keys of merged blocks are joined."""
    facts: dict[str, Any] = field(default_factory=dict)
    apart: bool = False
    """Whether it shares no passage with the block before it: a record among records."""
