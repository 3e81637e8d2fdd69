"""Give the token vectors of hits: those that are kept, and else those that are made now and kept.

Invariant: what is kept belongs to the content that the ledger names. A page is known by that
content and its place in it, so that it is not drawn again where its tokens are there; and where its
file has changed since it was indexed it is not read, and keeps its place.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from crossmodal.encoders.rerankers.reranker import Side, TokenReranker, Tokens
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.indexed import Indexed, as_indexed
from crossmodal.records import Hit
from crossmodal.search.rerank_sides import is_fetched, side_of_hit
from crossmodal.search.tokens.codes import form_of
from crossmodal.search.tokens.store import TokenCache, key_of

Keyed = tuple[Hit, str, Indexed | None]
"""A hit, the key of its tokens, and of a picture what the ledger says of it."""


class KeptTokens:
    """Give the token vectors of hits by one reranker."""

    def __init__(self, path: Path, reranker: TokenReranker, pool: int = 1) -> None:
        self.cache = TokenCache(path, reranker.fingerprint, form_of(reranker, pool))
        self._collection, self._reranker = Collection(path), reranker

    def keyed(self, hits: Sequence[Hit]) -> list[Keyed]:
        """Return hits with their keys, and pictures with what the ledger says of them.

        Left out is what the ledger has no more.
        """
        pictures = [hit for hit in hits if hit.modality == "image"]
        known: dict[int, Indexed] = {}
        if pictures:
            with self._collection.read() as con:
                known = as_indexed(con, pictures)
        texts = [
            (hit, key_of(side), None)
            for hit in hits
            if hit.modality != "image" and (side := side_of_hit(hit, 0))
        ]
        shown = [(hit, known[hit.chunk_id]) for hit in pictures if hit.chunk_id in known]
        return [*texts, *((hit, f"chunk-{one.place}", one) for hit, one in shown)]

    def of(self, keyed: Sequence[Keyed]) -> list[tuple[Hit, Tokens]]:
        """Return the hits that can be shown with their token vectors.

        Raises:
            RerankFailed: the model gave what is no number, or ran out of memory.
        """
        known = self.cache.get({key for _, key, _ in keyed})
        missing: dict[str, Side] = {}
        for hit, key, indexed in keyed:
            if key not in known and key not in missing:
                side = self._side(hit, indexed)
                missing |= {key: side} if side else {}
        if missing:
            made = self._reranker.tokens(list(missing.values()))
            known |= self.cache.put(dict(zip(missing, made, strict=True)))
        return [(hit, known[key]) for hit, key, _ in keyed if key in known]

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
