"""Recommend chunks of a collection from likes and dislikes: the one service for every caller.

Resolves the examples, gathers candidates a list, and lets the best of all be chosen. Refuses before
it loads a model what cannot be answered. Invariant: no connection is open while a model works.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from crossmodal.errors import FilterError, PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.filters import Where, where_in
from crossmodal.recommendation.candidates import Depth, Taste
from crossmodal.recommendation.choice import Wish, suiting
from crossmodal.recommendation.cold_start import diverse_sample
from crossmodal.recommendation.meant_colours import colours_are_meant
from crossmodal.recommendation.options import RecommendOptions
from crossmodal.recommendation.profiles import Asked, keep_profile, with_profile
from crossmodal.recommendation.recommendation import Recommendation, Recommended
from crossmodal.recommendation.scoring import session_weights, strategy_named
from crossmodal.records import VectorList
from crossmodal.search.centring import (
    centring_of,
    versions_without_texts,
)
from crossmodal.search.examples import Example, Unread, encoded, look_up, texts_for
from crossmodal.search.lists import choose_lists
from crossmodal.search.options import QueryOptions
from crossmodal.vectors.ann.cache import CodesFolder

if TYPE_CHECKING:
    import duckdb

MIN_DEPTH = 200
"""Chunks of a list that are looked at, at least."""
_DEPTH_FACTOR = 10
_MEANT = (
    "Colours count here: they tell these likes from these dislikes, which what is seen hardly "
    "does. Set them to 0 to leave them out."
)


def recommend(options: RecommendOptions) -> Recommendation:
    """Return what somebody with these likes and dislikes would like; without any, a varied sample.

    Raises:
        FilterError: a condition, strategy, diversity or profile cannot be understood.
        PathError: an example is neither in the collection nor readable.
        CollectionMissing, CollectionEmpty, ModelMismatch: before any model is loaded.
    """
    _check(options)
    collection = Collection(options.collection)
    with collection.read() as con:
        where = where_in(con, options.where)
        every = choose_lists(con, collection.path, _query_options(options, ()))
        lists = choose_lists(con, collection.path, _query_options(options, options.modalities))
        wordless = versions_without_texts(con, every)
        asked = with_profile(con, options)
        liked, lost = _looked_up(con, every, asked.likes, options)
        disliked, more_lost = _looked_up(con, every, asked.dislikes, options)
    likes = [encoded(every, each, options.device) for each in liked]
    dislikes = [encoded(every, each, options.device) for each in disliked]
    texts = texts_for([*liked, *disliked], wordless, options.device)
    with collection.read() as con:
        if likes or dislikes:
            weights = _weights(len(likes), session=options.session)
            centring = centring_of(con, every, texts)
            taste = Taste(likes, dislikes, weights, options.strategy, centring)
            taste = replace(taste, colours=_colours(con, lists, taste, options))
            found = _suiting(con, lists, taste, options, where)
            told = _MEANT if taste.colours and options.colours is None else ""
        else:
            sample = diverse_sample(con, lists, where, options.k)
            found, told = [Recommended(hit, "") for hit in sample], ""
    keep_profile(collection, options.save, asked)
    return Recommendation(
        _title(likes, dislikes), found, [*lost, *more_lost, *filter(None, [told])]
    )


def _check(options: RecommendOptions) -> None:
    strategy_named(options.strategy)
    for name in ("diversity", "colours"):
        if not 0 <= (getattr(options, name) or 0) <= 1:
            raise FilterError(f"{name} {getattr(options, name)} is not between 0 and 1")
    if options.colours and options.strategy != "spread":
        raise FilterError(
            f"colours count with the strategy spread, not with {options.strategy}: leave one out"
        )
    if options.k < 1:
        raise FilterError(f"{options.k} hits cannot be asked for: name at least 1")


def _query_options(options: RecommendOptions, modalities: tuple[str, ...]) -> QueryOptions:
    return QueryOptions(collection=options.collection, model=options.model, modalities=modalities)


def _looked_up(
    con: duckdb.DuckDBPyConnection,
    lists: Sequence[VectorList],
    given: Sequence[Asked],
    options: RecommendOptions,
) -> tuple[list[Example | Unread], list[str]]:
    """Return the examples, and a sentence on each of a profile that is no longer there."""
    found: list[Example | Unread] = []
    lost: list[str] = []
    for each in given:
        try:
            found.append(look_up(con, lists, each.given))
        except PathError as error:
            if not each.is_stored:
                raise
            lost.append(f"of profile {options.profile}: {error}")
    return found, lost


def _weights(num_likes: int, *, session: bool) -> npt.NDArray[np.float32]:
    return session_weights(num_likes) if session else np.ones(num_likes, np.float32)


def _colours(
    con: duckdb.DuckDBPyConnection,
    lists: Sequence[VectorList],
    taste: Taste,
    options: RecommendOptions,
) -> float:
    """Return how much colours count: as somebody chose, or as the examples say."""
    if options.colours is not None:
        return options.colours
    return float(options.strategy == "spread" and colours_are_meant(con, lists, taste))


def _suiting(
    con: duckdb.DuckDBPyConnection,
    lists: Sequence[VectorList],
    taste: Taste,
    options: RecommendOptions,
    where: Where,
) -> list[Recommended]:
    """Return the best candidates of all lists, numbered."""
    codes = CodesFolder(Collection(options.collection).path)
    depth = Depth(max(MIN_DEPTH, _DEPTH_FACTOR * options.k), where, codes)
    best = suiting(con, lists, taste, depth, Wish(options.k, options.diversity))
    names = [each.given for each in taste.likes]
    return [
        Recommended(replace(hit, rank=rank, score=suits), names[like] if like >= 0 else "")
        for rank, (hit, suits, like) in enumerate(best, start=1)
    ]


def _title(likes: Sequence[Example], dislikes: Sequence[Example]) -> str:
    parts = [
        f"{word} {', '.join(each.given for each in examples)}"
        for word, examples in (("like", likes), ("unlike", dislikes))
        if examples
    ]
    return "; ".join(parts) or "a varied sample"
