"""Say what a reranker is: pairs of a query and a candidate in, scores out.

Owns the seam between the second stage of a search and the models behind it; refuses to know how a
score comes to be, or what is done with it. A score compares candidates of one query under one
reranker and nothing else: it is no cosine, and is never mixed with one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = npt.NDArray[np.float32]
Tokens = npt.NDArray[np.float16] | npt.NDArray[np.float32]
"""(t, dim) float16, or float32 of eight bits; L2-normalised before they were rounded."""


@dataclass(frozen=True, slots=True)
class Side:
    """Hold one side of a pair, the query or a candidate: a text, a picture, or a picture's both."""

    text: str = ""
    picture: Image | None = None
    """RGB, its longer side about the reranker's ``side_px``."""

    @property
    def modality(self) -> str:
        """Return what it is read as: image where there is a picture, else text."""
        return "text" if self.picture is None else "image"


class Reranker(Protocol):
    """Score candidates for a query; safe to share between threads."""

    label: str
    """A short name for people: ``ms-marco@1a2b3c4d``."""
    fingerprint: str
    """Changes with weights, settings and this code: equal ones give equal scores."""
    pairs: frozenset[tuple[str, str]]
    """Which modality of a query it reads with which of a candidate: text or image."""
    side_px: int
    """How large the pictures should be that it is given; 0 where it reads none."""
    batch: int
    """How many candidates one call should be given: between two calls a deadline is looked at."""

    def scores(self, query: Side, candidates: Sequence[Side]) -> Floats:
        """Return (n,) float32 scores, higher is better.

        Raises:
            RerankFailed: the model gave what is no number, or ran out of memory.
        """


@runtime_checkable
class TokenReranker(Reranker, Protocol):
    """Score by token vectors of the candidates, which depend on no query and may be kept.

    Late interaction is of this kind, and so is cross-attention over frozen patch tokens.
    ``scores(query, c)`` equals ``scores_of_tokens(query, tokens(c))``. One whose ``is_late`` is
    true takes nothing but cosines of its tokens, which are then kept in eight bits and may be
    pooled.
    """

    def tokens(self, candidates: Sequence[Side]) -> list[Tokens]:
        """Return the token vectors of each candidate.

        Raises:
            RerankFailed: as ``scores``.
        """

    def scores_of_tokens(self, query: Side, tokens: Sequence[Tokens]) -> Floats:
        """Return (n,) float32 scores of candidates by their token vectors, higher is better.

        Raises:
            RerankFailed: as ``scores``.
        """


@runtime_checkable
class MappingReranker(Reranker, Protocol):
    """Score pictures by their patches, and so say which of them a query is found in."""

    def patch_map(self, text: str, picture: Image) -> Floats:
        """Return (down, across) float32 mean cosines of each patch with the tokens of a query.

        Raises:
            RerankFailed: the patches of the picture lie in no grid.
        """


def max_sim(query: Floats, tokens: Sequence[Tokens]) -> Floats:
    """Return for each candidate the sum over the query's tokens of the best match among its own.

    ``query`` is (t, dim) float32. Late interaction as in ColBERT (Khattab and Zaharia, 2020).
    """
    found = [
        float((query @ one.astype(np.float32, copy=False).T).max(axis=1).sum()) if len(one) else 0.0
        for one in tokens
    ]
    return np.array(found, np.float32)
