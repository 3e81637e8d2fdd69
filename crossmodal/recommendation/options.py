"""Hold what a caller may choose about recommendations; costs little to import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crossmodal.recommendation.scoring import Strategy

if TYPE_CHECKING:
    from crossmodal.search.examples import Given


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendOptions:
    """Say what is liked and disliked, and what may come back."""

    collection: str
    likes: Sequence[Given] = ()
    """Chunk ids, paths, URLs, texts, or (dim,) vectors of one of the collection's spaces."""
    dislikes: Sequence[Given] = ()
    strategy: Strategy = "spread"
    diversity: float = 0.0
    """From 0, only what fits best, to 1, only what differs."""
    colours: float | None = None
    """From 0, not at all, to 1: how much the colours of pictures count; with ``spread`` only.

    None: whole where three likes and three dislikes or more say that they are meant, else not.
    """
    session: bool = False
    """Whether the likes are in the order of time: each counts half of the one after it."""
    profile: str | None = None
    """Name of stored likes and dislikes that come before those given here."""
    save: str | None = None
    """Name to store all of them under."""
    k: int = 10
    where: list[str] = field(default_factory=list)
    modalities: tuple[str, ...] = ()
    """Only chunks of these: image, text, audio; empty for all."""
    model: str | None = None
    """Name, number or label of a model version; None for the live one."""
    device: str = "auto"
