"""Let pictures of documents be found by the text that they stand in: graph-adaptive retrieval.

After MacAvaney and others (CIKM 2022): neighbours of the best so far join the candidates. The edges
are those that the ledger knows, from a passage to the pictures that belong to it or stand beside
it. A picture stands where its passage does, less what the edge costs, or where its own vector
puts it, whichever is better. Merit compares across lists, so without it nothing joins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import duckdb
import numpy as np

from crossmodal.ledger.read.filters import Where
from crossmodal.records import Hit, VectorList
from crossmodal.search.lists import QueryVectors
from crossmodal.search.merge import Ranked, in_order
from crossmodal.search.options import QueryOptions
from crossmodal.search.words import cosines_of
from crossmodal.vectors.search import hits_of

_NUM_SEEDS = 20
_REACH = 2
"""Chunks between a picture's own passage and one beside it."""
_BESIDE_COST = math.log(4)
"""A passage beside counts as if four times as many chunks looked as good."""

_EDGES = """
SELECT p.chunk_id, f.chunk_id, abs(f.parent - p.ordinal)
FROM chunk p JOIN chunk f ON f.content_hash = p.content_hash AND f.chunker = p.chunker
    AND f.modality = 'image' AND abs(f.parent - p.ordinal) <= $reach
WHERE p.chunk_id IN (SELECT unnest($seeds::BIGINT[])) AND p.modality = 'text'
ORDER BY ALL
"""


@dataclass(frozen=True, slots=True)
class Growth:
    """Let neighbours of the best hits of one query join them."""

    con: duckdb.DuckDBPyConnection
    vectors: QueryVectors
    options: QueryOptions
    where: Where | None

    def __call__(self, ranking: Sequence[Ranked], *, calibrated: bool) -> list[Ranked]:
        """Return the ranking with its neighbours, and only of the modalities asked for."""
        wanted = self.options.modalities
        grown = self._grown(ranking) if calibrated else list(ranking)
        return [found for found in grown if not wanted or found.hit.modality in wanted]

    def _grown(self, ranking: Sequence[Ranked]) -> list[Ranked]:
        texts = [found for found in ranking if found.hit.modality == "text" and not found.window]
        lent = self._lent({found.hit.chunk_id: found.standing for found in texts[:_NUM_SEEDS]})
        known = {found.hit.chunk_id for found in ranking}
        joining = self._joining([chunk_id for chunk_id in lent if chunk_id not in known])
        grown = [_lifted(found, lent) for found in [*ranking, *joining]]
        return in_order(grown, calibrated=True)

    def _lent(self, seeds: dict[int, float]) -> dict[int, float]:
        """Return by picture the best that a passage near it lends."""
        params = {"seeds": list(seeds), "reach": _REACH}
        cost = -math.log(self.options.neighbours)
        lent: dict[int, float] = {}
        for passage, picture, distance in self.con.execute(_EDGES, params).fetchall():
            given = seeds[passage] - cost - (_BESIDE_COST if distance else 0.0)
            lent[picture] = max(given, lent.get(picture, -math.inf))
        return lent

    def _joining(self, chunk_ids: Sequence[int]) -> list[Ranked]:
        """Return pictures that no list had among its nearest, with their own cosines."""
        ids = np.array(sorted(chunk_ids), np.int64)
        found: dict[int, Ranked] = {}
        for held, query in self.vectors.items():
            if held.modality == "image" and len(ids):
                found |= {hit.chunk_id: _last(hit) for hit in self._hits(held, query, ids)}
        return list(found.values())

    def _hits(self, held: VectorList, query: np.ndarray, ids: np.ndarray) -> list[Hit]:
        ids, cosines = cosines_of(self.con, held, query, ids)
        known = hits_of(self.con, ids, self.where)
        scored = zip(ids.tolist(), cosines.clip(-1, 1).tolist(), strict=True)
        return [replace(known[i], score=cosine) for i, cosine in scored if i in known]


def _last(hit: Hit) -> Ranked:
    return Ranked(0, -math.inf, hit.score, hit)


def _lifted(found: Ranked, lent: dict[int, float]) -> Ranked:
    given = lent.get(found.hit.chunk_id, -math.inf)
    if given <= found.standing:
        return found
    return found._replace(window=0, standing=given)
