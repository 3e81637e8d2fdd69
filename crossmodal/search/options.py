"""Hold what a caller may choose about a search; costs nothing to import."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

PAIR_MODALITIES = {"text->passage": "text", "text->image": "image"}
"""Which modality of hits a pair of an evaluation is about; for these a reranker may be kept."""
MAX_POOL = 16
"""Token vectors that a reranker joins to one, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryOptions:
    """Where and how to search."""

    collection: str
    model: str | None = None
    """Name, number or label of a model version; None for the live one."""
    device: str = "auto"
    k: int = 10
    offset: int = 0
    where: list[str] = field(default_factory=list)
    modalities: tuple[str, ...] = ()
    """Only chunks of these: image, text, audio; empty for all."""
    group: bool = True
    """One hit a source, its best; otherwise every chunk is a hit."""
    expand: int = 0
    """How many chunks before and after a hit come with it."""
    min_strength: str | None = None
    """Hide hits that are weaker than this: strong, likely or weak; None hides none."""
    mode: Literal["hybrid", "vector", "words"] = "hybrid"
    """Whether vectors and words count together, or only one of them; words load no model."""
    rerank: str = ""
    """Directory or hub id of a reranker, or off; empty for what the collection remembers."""
    rerank_deadline_ms: int = 10_000
    """A reranker that takes longer changes nothing; 0: it may take as long as it likes."""
    rerank_pool: int = 1
    """About so many token vectors of a hit are joined to one, by a reranker named here; 1: none."""
    window: int = 0
    """How many of a list's nearest are ordered by merit among themselves; 0: what suits k."""
    trial: bool = False
    """Whether the A/B trial of the collection, if one is on, may choose who answers."""
    challenger: bool = False
    """Ask the line-up of the trial in place of the live one; the search sets it."""
    neighbours: float = 0.0
    """How much of a passage's merit its pictures get, 0 to 1; 0: pictures stand by themselves."""
