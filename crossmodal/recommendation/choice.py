"""Choose among the candidates of all lists: each source once, each sight once, varied if asked.

Vectors of different spaces never compare: each space has dimensions of its own in one wide matrix,
so that their products are 0. Invariant: no example comes back, nor another chunk of its content,
nor what looks the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from crossmodal.recommendation.candidates import (
    Candidates,
    Depth,
    Taste,
    candidates,
    unlike_each_other,
)
from crossmodal.recommendation.diversity import redundancies, varied
from crossmodal.records import Hit, VectorList
from crossmodal.search.examples import chunks_of
from crossmodal.vectors.search import hits_of

if TYPE_CHECKING:
    import duckdb

    from crossmodal.ledger.read.filters import Where

Floats = npt.NDArray[np.float32]

POOL_FACTOR = 5
"""Candidates that a varied answer is chosen among, in hits asked for."""
_FOLD_FACTOR = 4


class Chosen(NamedTuple):
    """Hold a hit, how well it suits, and the number of the like that it is nearest to."""

    hit: Hit
    suits: float
    like: int


class _Pool(NamedTuple):
    """Hold candidates of several lists, best first."""

    chosen: list[Chosen]
    stored: Floats
    lists: npt.NDArray[np.int64]
    """(n,): the number of the list that each comes from."""


class Wish(NamedTuple):
    """Say how many are wanted, and how varied: from 0, by score alone, to 1."""

    k: int
    diversity: float = 0.0


def suiting(
    con: duckdb.DuckDBPyConnection,
    lists: Sequence[VectorList],
    taste: Taste,
    depth: Depth,
    wish: Wish,
) -> list[Chosen]:
    """Return the chunks of these lists that suit a taste best, best first."""
    gathered = {held: candidates(con, held, taste, depth) for held in lists}
    filled = {held: found for held, found in gathered.items() if found is not None}
    if not filled:
        return []
    hidden, known = chunks_of(con, (*taste.likes, *taste.dislikes)), _examples(filled, taste)
    wanted = wish.k * (POOL_FACTOR if wish.diversity else 1)
    kept: list[int] = []
    # Few are looked up at first: to tell of each costs more than to score it.
    for num in (wanted * _FOLD_FACTOR, wanted * _FOLD_FACTOR * POOL_FACTOR):
        if len(kept) < wish.k:
            pool = _pool(con, filled, hidden, depth.where, num)
            kept = unlike_each_other(pool.stored, known)[:wanted]
    if wish.diversity:
        redundant = redundancies(pool.stored[kept], pool.lists[kept])
        kept = [kept[place] for place in varied(redundant, wish.k, wish.diversity)]
    return [pool.chosen[row] for row in kept[: wish.k]]


def _pool(
    con: duckdb.DuckDBPyConnection,
    filled: Mapping[VectorList, Candidates],
    hidden: set[int],
    where: Where | None,
    num: int,
) -> _Pool:
    """Return the best chunk of each source, best source first, of the ``num`` best chunks."""
    rows = sorted(
        (-score, chunk_id, which, row)
        for which, found in enumerate(filled.values())
        for row, (chunk_id, score) in enumerate(
            zip(found.chunk_ids.tolist(), found.scores.tolist(), strict=True)
        )
        if chunk_id not in hidden
    )[:num]
    at = {chunk_id: (which, row) for _, chunk_id, which, row in reversed(rows)}
    ids = list(dict.fromkeys(chunk_id for _, chunk_id, _, _ in rows))
    shown = hits_of(con, np.array(ids, np.int64), where)
    first_of: dict[str, Hit] = {}
    for chunk_id in ids:
        if chunk_id in shown:
            first_of.setdefault(shown[chunk_id].uri, shown[chunk_id])
    return _wide(list(filled.items()), [(hit, *at[hit.chunk_id]) for hit in first_of.values()])


def _wide(lists: list[tuple[VectorList, Candidates]], taken: list[tuple[Hit, int, int]]) -> _Pool:
    """Return candidates with their vectors in the dimensions of their space."""
    places = _places([held for held, _ in lists])
    width = max((place.stop for place in places.values()), default=0)
    stored = np.zeros((len(taken), width), np.float32)
    found = []
    for number, (hit, which, row) in enumerate(taken):
        held, scored = lists[which]
        place = places[held.version.fingerprint]
        stored[number, place] = scored.stored[row]
        found.append(Chosen(hit, float(scored.scores[row]), int(scored.nearest[row])))
    return _Pool(found, stored, np.array([which for _, which, _ in taken], np.int64))


def _places(lists: list[VectorList]) -> dict[str, slice]:
    """Return where the dimensions of each space begin and end."""
    dims = {held.version.fingerprint: held.version.dim for held in lists}
    ends = np.cumsum(list(dims.values())).tolist()
    return {name: slice(end - dims[name], end) for name, end in zip(dims, ends, strict=True)}


def _examples(filled: Mapping[VectorList, Candidates], taste: Taste) -> Floats:
    """Return the examples' vectors in the dimensions of their space, a row each."""
    places = _places(list(filled))
    known = [
        (places[space.fingerprint], vector)
        for example in (*taste.likes, *taste.dislikes)
        for space, vector in example.vectors.items()
        if space.fingerprint in places
    ]
    wide = np.zeros((len(known), max(place.stop for place in places.values())), np.float32)
    for row, (place, vector) in enumerate(known):
        wide[row, place] = vector
    return wide
