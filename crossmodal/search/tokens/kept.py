"""Give the token vectors of hits: those that are kept, and else those that are made now and kept.

Invariant: what is kept belongs to the content that the ledger names. A page whose tokens are there
is not drawn again; one whose file has changed since it was indexed is not read, and keeps its
place.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from crossmodal.encoders.rerankers.reranker import Side, TokenReranker, Tokens
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.indexed import Indexed
from crossmodal.records import Hit
from crossmodal.search.rerank_sides import is_fetched, side_of_hit
from crossmodal.search.tokens.codes import form_of
from crossmodal.search.tokens.keys import Keyed, keyed
from crossmodal.search.tokens.store import TokenCache


class KeptTokens:
    """Give the token vectors of hits by one reranker."""

    def __init__(self, path: Path, reranker: TokenReranker, pool: int = 1) -> None:
        self.cache = TokenCache(path, reranker.fingerprint, form_of(reranker, pool))
        self._collection, self._reranker = Collection(path), reranker

    def keyed(self, hits: Sequence[Hit]) -> list[Keyed]:
        """Return hits with their keys; left out is what the ledger has no more."""
        with self._collection.read() as con:
            return keyed(con, hits)

    def of(self, hits: Sequence[Keyed]) -> list[tuple[Hit, Tokens]]:
        """Return the hits that can be shown with their token vectors.

        Raises:
            RerankFailed: the model gave what is no number, or ran out of memory.
        """
        known = self.cache.get({key for _, key, _ in hits})
        made = self.made([each for each in hits if each[1] not in known])
        known |= self.cache.put(made) if made else {}
        return [(hit, known[key]) for hit, key, _ in hits if key in known]

    def made(self, hits: Sequence[Keyed]) -> dict[str, Tokens]:
        """Return by key the token vectors that the model gives of hits, where they can be shown.

        Raises:
            RerankFailed: the model gave what is no number, or ran out of memory.
        """
        sides: dict[str, Side] = {}
        for hit, key, indexed in hits:
            if key not in sides and (side := self._side(hit, indexed)):
                sides[key] = side
        if not sides:
            return {}
        return dict(zip(sides, self._reranker.tokens(list(sides.values())), strict=True))

    def _side(self, hit: Hit, indexed: Indexed | None) -> Side | None:
        if indexed is None:
            return side_of_hit(hit, 0)
        side = side_of_hit(hit, self._reranker.side_px, indexed.content_hash)
        # After it was read: a file that changes meanwhile is not taken for what it was.
        return side if is_fetched(hit.uri) or _is_as(hit.uri, indexed) else None


def _is_as(uri: str, indexed: Indexed) -> bool:
    try:
        found = os.stat(uri)
    except OSError:
        return False
    return (found.st_size, found.st_mtime_ns) == (indexed.size_bytes, indexed.mtime_ns)
