"""Gather what may be recommended: the chunks near to the likes, in every list they can ask.

Owns how deep each list is read and what is left out: the examples themselves, other chunks of
their content, and all but the best chunk of a source. Whatever the filter lets through is found
before anything is scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from crossmodal.ledger.read.many_vectors import vectors_of_chunks
from crossmodal.ledger.read.picture_colours import colours_of_chunks, colours_of_contents
from crossmodal.pictures.colour_histogram import histograms
from crossmodal.recommendation.colours import as_they_count
from crossmodal.recommendation.scoring import Strategy, average_weights, score, stacked
from crossmodal.recommendation.spreading import spread
from crossmodal.records import VectorList
from crossmodal.search.centring import Centring, normalised, space_of
from crossmodal.search.examples import Example
from crossmodal.vectors.search import SearchRequest, near_each

if TYPE_CHECKING:
    import duckdb

    from crossmodal.ledger.read.filters import Where
    from crossmodal.vectors.ann.cache import CodesFolder

Floats = npt.NDArray[np.float32]

NEAR_DOUBLE = 0.985
"""Cosine of two stored vectors of one list above which they show the same thing."""


@dataclass(frozen=True, slots=True)
class Taste:
    """Hold likes and dislikes and how they are put together."""

    likes: Sequence[Example]
    dislikes: Sequence[Example]
    weights: Floats
    """(len(likes),): how much each like counts, above 0 to 1."""
    strategy: Strategy
    centring: Centring
    colours: float = 0.0
    """From 0, not at all, to 1: how much the colours of pictures count, with ``spread``."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Say how many chunks of a list are looked at, and which of them may come."""

    num: int
    where: Where | None
    codes: CodesFolder | None


@dataclass(frozen=True, slots=True)
class Candidates:
    """Hold the candidates of one list, best first."""

    chunk_ids: npt.NDArray[np.int64]
    """(n,)."""
    scores: Floats
    """(n,): how well each suits the taste, in units that compare across lists."""
    stored: Floats
    """(n, dim) unit vectors as they are stored."""
    nearest: npt.NDArray[np.int64]
    """(n,): the number of the like that is nearest to each; -1 without likes."""


class _Asked(NamedTuple):
    """Hold the examples that a list is asked by: likes, then dislikes."""

    pulling: Sequence[Floats]
    pushing: Sequence[Floats]
    asking: list[int]
    """The numbers of the likes among all of them."""
    contents: Sequence[str]
    """The content hash of each example, likes and dislikes; empty where it has none."""


def candidates(
    con: duckdb.DuckDBPyConnection, held: VectorList, taste: Taste, depth: Depth
) -> Candidates | None:
    """Return the scored candidates of a list; None where no example can ask it."""
    likes = [_seen_by(held, taste, example) for example in taste.likes]
    dislikes = [_seen_by(held, taste, example) for example in taste.dislikes]
    asking = [number for number, seen in enumerate(likes) if seen is not None]
    pushing = [seen for seen in dislikes if seen is not None]
    if not asking and not pushing:
        return None
    weights = taste.weights[asking]
    pulling = [seen for seen in likes if seen is not None]
    queries = _queries(pulling, pushing, weights, taste.strategy)
    requests = [SearchRequest(held, query, k=depth.num, where=depth.where) for query in queries]
    found = near_each(con, requests, depth.codes)
    examples = zip((*taste.likes, *taste.dislikes), (*likes, *dislikes), strict=True)
    contents = [example.content_hash for example, seen in examples if seen is not None]
    return _scored(con, held, taste, found, _Asked(pulling, pushing, asking, contents))


def _seen_by(held: VectorList, taste: Taste, example: Example) -> Floats | None:
    """Return an example as a query for a list: centred, as long as its similarity means much.

    One of the list's own modality is preferred where an example has several vectors.
    """
    own = space_of(held)
    inside = [space for space in example.vectors if space.fingerprint == own.fingerprint]
    if not inside:
        return None
    space = own if own in inside else inside[0]
    centred = taste.centring.centred(example.vectors[space], space)
    return np.asarray(centred / taste.centring.spread(space, own), np.float32)


def _queries(
    pulling: Sequence[Floats], pushing: Sequence[Floats], weights: Floats, strategy: Strategy
) -> list[Floats]:
    """Return the directions in which to look: each like's where the best counts, and the mean's."""
    dim = len((*pulling, *pushing)[0])
    pull, push = average_weights(weights, len(pushing))
    if strategy == "sum":
        pull, push = weights, np.full(len(pushing), -1.0, np.float32)
    mean = stacked(pulling, dim).T @ pull + stacked(pushing, dim).T @ push
    queries = [normalised(mean)] if mean.any() else []
    if strategy in ("spread", "best") and len(pulling) + len(pushing) > 1:
        queries += [normalised(seen) for seen in pulling]
    return queries or [normalised(seen) for seen in pulling]


def _scored(
    con: duckdb.DuckDBPyConnection,
    held: VectorList,
    taste: Taste,
    found: npt.NDArray[np.int64],
    asked: _Asked,
) -> Candidates:
    pulling, pushing, asking, contents = asked
    vectors = vectors_of_chunks(con, held, found)
    centred = taste.centring.centred(vectors.matrix, space_of(held))
    likes = centred @ stacked(pulling, held.version.dim).T
    dislikes = centred @ stacked(pushing, held.version.dim).T
    weights, strategy = taste.weights[asking], taste.strategy
    scores = score(likes, dislikes, weights, "best" if strategy == "spread" else strategy)
    colours = _colours(con, held, taste, vectors.chunk_ids, contents)
    is_spread = len(pulling) + len(pushing) > 1 or colours is not None
    if strategy == "spread" and is_spread and len(centred):
        reached = _reached(taste, held, centred, (pulling, pushing), colours)
        scores = _in_order_of(score(*reached, weights, strategy), scores)
    order = np.lexsort((vectors.chunk_ids, -scores))
    nearest = np.array(asking)[likes.argmax(axis=1)] if asking else np.full(len(scores), -1)
    return Candidates(
        vectors.chunk_ids[order],
        scores[order],
        vectors.matrix[order],
        np.asarray(nearest[order], np.int64),
    )


def _reached(
    taste: Taste,
    held: VectorList,
    centred: Floats,
    examples: tuple[Sequence[Floats], Sequence[Floats]],
    colours: Floats | None,
) -> tuple[Floats, Floats]:
    """Return (n, p) and (n, m): how far likes and dislikes spread to each candidate."""
    pulling, pushing = examples
    directions = directions_of(taste, held)
    asking = normalised(np.stack([*pulling, *pushing]))
    with on_one_thread():
        reached = spread(centred, asking, directions, colours)
    return reached[:, : len(pulling)], reached[:, len(pulling) :]


def directions_of(taste: Taste, held: VectorList) -> Floats:
    """Return (dim, m): the main directions of a list, or all where too few vectors tell."""
    with on_one_thread():
        directions = taste.centring.directions(space_of(held))
    return np.eye(held.version.dim, dtype=np.float32) if directions is None else directions


def on_one_thread() -> AbstractContextManager[object]:
    """Hold BLAS to one thread.

    On a busy machine its threads mostly wait for the slowest one: 0.1 s become seconds.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def _colours(
    con: duckdb.DuckDBPyConnection,
    held: VectorList,
    taste: Taste,
    chunk_ids: npt.NDArray[np.int64],
    contents: Sequence[str],
) -> Floats | None:
    """Return (n + examples, 16): colours of chunks and of the examples that ask, as they count."""
    if not taste.colours or held.modality != "image":
        return None
    of_examples = colours_of_contents(con, sorted(set(contents) - {""}))
    of_chunks = colours_of_chunks(con, chunk_ids)
    colours = [of_chunks.get(chunk_id, "") for chunk_id in chunk_ids.tolist()]
    colours += [of_examples.get(content, "") for content in contents]
    return as_they_count(histograms(colours), taste.colours)


def _in_order_of(better: Floats, scores: Floats) -> Floats:
    """Return the same scores, which compare across lists, in the order of better ones."""
    moved = np.empty_like(scores)
    moved[np.argsort(-better, kind="stable")] = -np.sort(-scores)
    return moved


def unlike_each_other(stored: Floats, known: Floats) -> list[int]:
    """Return the rows of (n, dim) unit vectors that show nothing shown by an earlier one.

    ``known`` are (m, dim) vectors that nothing may show either.
    """
    kept: list[int] = []
    hidden = np.any(stored @ known.T > NEAR_DOUBLE, axis=1)
    for row in range(len(stored)):
        if not hidden[row]:
            kept.append(row)
            hidden |= stored @ stored[row] > NEAR_DOUBLE
    return kept
