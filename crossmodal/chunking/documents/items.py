"""Define what a document's parser in the child hands to ``document.cut`` in the parent.

Owns the picture as it travels (pixels, small already) and the wishes and limits that the parent
sends along. Parsers yield these, ``Block`` and ``Flaw``, in reading order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from crossmodal.chunking.passages.blocks import Block
from crossmodal.chunking.pieces import Flaw

__all__ = ["Block", "Flaw", "Item", "Picture", "Wishes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """Say what is wanted of a document, and what it may cost."""

    figures: bool
    page_images: Literal["never", "scanned", "always"]
    max_pages: int
    max_megapixels: float
    min_side: int | None = None
    """Shorter side in pixels that the image encoder wants; None: pictures keep their size."""

    @property
    def picture_side(self) -> int | None:
        """Return the shorter side to which larger pictures are scaled, with room for crops."""
        return None if self.min_side is None else 2 * self.min_side


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """Hold a figure or the image of a page, upright and of the size that is needed."""

    kind: Literal["figure", "page_image"]
    rgb: bytes
    """Rows of 8-bit RGB pixels, top row first, without padding."""
    width: int
    height: int
    caption: str = ""
    nearby: str = ""
    """Text around it in the document, without the caption."""
    before: str = ""
    """How the block ends that stands before it; tells which passage it belongs to."""
    section: tuple[str, ...] = ()
    position: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    """With the width and height in pixels that it has in the document."""


Item = Block | Picture | Flaw
