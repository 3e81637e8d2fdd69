"""Judge recommendations by a log of events: the past asks, what came after is the answer.

The log is split at one moment for everybody, so that nothing is known that could not have been
known then. Beside the figures stands what the most liked items would have reached: a recommender
that does not beat them is not worth its time.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.errors import FilterError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.many_vectors import vectors_of_chunks
from crossmodal.ledger.sql import one_number
from crossmodal.recommendation.candidates import Depth, Taste
from crossmodal.recommendation.choice import Chosen, Wish, suiting
from crossmodal.recommendation.diversity import mean_distance
from crossmodal.recommendation.event_log import Event, EventLog, read_log
from crossmodal.recommendation.options import RecommendOptions
from crossmodal.recommendation.scoring import session_weights
from crossmodal.records import VectorList
from crossmodal.search.centring import Centring, centring_of
from crossmodal.search.examples import Example, look_up
from crossmodal.search.lists import choose_lists
from crossmodal.search.options import QueryOptions
from crossmodal.views.human import counted
from crossmodal.views.text_table import TextTable

if TYPE_CHECKING:
    import duckdb

MAX_LIKES = 20
"""Likes of one person that count: the latest."""
MAX_PEOPLE = 2000
_DEPTH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Hold how well one way of recommending did."""

    recall: float
    """Share of what a person liked later that was among the k, mean over people."""
    ndcg: float
    coverage: float
    """Share of the collection's items that somebody was recommended."""
    diversity: float
    """Mean cosine distance between the items of one answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Hold what a log tells of recommendations."""

    k: int
    num_people: int
    num_events: int
    num_rows: int
    unused: dict[str, int]
    num_backwards: int
    split_at_s: float
    recommended: Figures
    most_liked: Figures
    """The baseline: what most people liked before the split, and this person did not have yet."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def to_text_table(self) -> TextTable:
        """Return a table: a row a way of recommending."""
        rows = [
            (name, *(f"{value:.3f}" for value in asdict(figures).values()))
            for name, figures in (("this", self.recommended), ("most liked", self.most_liked))
        ]
        header = ("", f"recall@{self.k}", f"nDCG@{self.k}", "coverage", "diversity")
        people = counted(self.num_people, "person", "people")
        return TextTable(f"{people} after the split", header, rows)

    def notices(self) -> list[str]:
        """Return a sentence on each kind of row that was not used as it stands."""
        lines = [
            f"{counted(num, 'row')} not used: {reason}"
            for reason, num in sorted(self.unused.items())
        ]
        if self.num_backwards:
            those = counted(self.num_backwards, "row is", "rows are")
            lines.append(f"{those} older than the row before: sorted in")
        return lines


@dataclass(frozen=True, slots=True)
class _Person:
    likes: list[str]
    dislikes: list[str]
    later: set[str]


def evaluate(
    log: Path, options: RecommendOptions, train_share: float = 0.8, min_rating: float = 1.0
) -> Evaluation:
    """Return how well recommendations from the first events foretell the likes that followed.

    Raises:
        PathError: the log cannot be read.
        FilterError: nobody has likes both before and after the split.
    """
    collection = Collection(options.collection)
    with collection.read() as con:
        every = choose_lists(con, collection.path, _asked(options, ()))
        lists = choose_lists(con, collection.path, _asked(options, options.modalities))
        found = read_log(log, _finder(con), min_rating)
        split_at_s = _split(found, train_share)
        people = _people(found.events, split_at_s)
        world = _World(con, every, lists, centring_of(con, every), options)
        answers = [_recommended(world, person) for person in people]
        popular = _most_liked(found.events, split_at_s)
        plain = [_not_had(popular, person, options.k) for person in people]
        return Evaluation(
            k=options.k,
            num_people=len(people),
            num_events=len(found.events),
            num_rows=found.num_rows,
            unused=found.unused,
            num_backwards=found.num_backwards,
            split_at_s=split_at_s,
            recommended=_figures(world, people, answers),
            most_liked=_figures(world, people, plain),
        )


@dataclass(frozen=True, slots=True)
class _World:
    con: duckdb.DuckDBPyConnection
    every: Sequence[VectorList]
    """Lists that examples are looked up in."""
    lists: Sequence[VectorList]
    """Lists that recommendations come from."""
    centring: Centring
    options: RecommendOptions


def _asked(options: RecommendOptions, modalities: tuple[str, ...]) -> QueryOptions:
    return QueryOptions(collection=options.collection, model=options.model, modalities=modalities)


def _finder(con: duckdb.DuckDBPyConnection) -> Callable[[str], str | None]:
    """Return what finds a source by its uri, by the end of its path, or by a chunk's id."""
    uris = [str(row[0]) for row in con.execute("SELECT uri FROM source ORDER BY uri").fetchall()]
    known: dict[str, str | None] = {}
    for uri in uris:
        parts = uri.split("/")
        for start in range(max(0, len(parts) - 4), len(parts)):
            tail = "/".join(parts[start:])
            known[tail] = None if tail in known else uri  # an end that two share names neither
    known |= {uri: uri for uri in uris}
    by_id = dict(
        con.execute(
            "SELECT c.chunk_id::VARCHAR, min(s.uri) FROM chunk c "
            "JOIN source s ON s.content_hash = c.content_hash GROUP BY ALL"
        ).fetchall()
    )
    return lambda what: known.get(what) or by_id.get(what)


def _split(log: EventLog, train_share: float) -> float:
    if not 0 < train_share < 1:
        raise FilterError(f"{train_share} of the events cannot be the past: name 0.5 to 0.9")
    if not log.events:
        reasons = ", ".join(f"{num} {reason}" for reason, num in log.unused.items()) or "no rows"
        raise FilterError(f"the log has no event that can be used ({reasons})")
    return log.events[min(int(len(log.events) * train_share), len(log.events) - 1)].at_s


def _people(events: Sequence[Event], split_at_s: float) -> list[_Person]:
    """Return those who liked something before the split and something new from then on."""
    by_person: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_person[event.who].append(event)
    people = []
    for mine in by_person.values():
        before = [event for event in mine if event.at_s < split_at_s]
        had = {event.uri for event in before}
        later = {e.uri for e in mine if e.at_s >= split_at_s and e.liked} - had
        likes = list(dict.fromkeys(event.uri for event in before if event.liked))
        dislikes = [event.uri for event in before if not event.liked]
        if likes and later:
            people.append(_Person(likes[-MAX_LIKES:], dislikes[-MAX_LIKES:], later))
    if not people:
        raise FilterError(
            "nobody in the log liked something both before and after the split: "
            "give a longer log, or another --train-share"
        )
    return people[:MAX_PEOPLE]


def _recommended(world: _World, person: _Person) -> list[str]:
    likes, dislikes = (
        [_example(world, uri) for uri in side] for side in (person.likes, person.dislikes)
    )
    num = len(likes)
    weights = session_weights(num) if world.options.session else np.ones(num, np.float32)
    taste = Taste(likes, dislikes, weights, world.options.strategy, world.centring)
    wish = Wish(world.options.k, world.options.diversity)
    found: list[Chosen] = suiting(world.con, world.lists, taste, Depth(_DEPTH, None, None), wish)
    return [each.hit.uri for each in found]


def _example(world: _World, uri: str) -> Example:
    found = look_up(world.con, world.every, uri)
    assert isinstance(found, Example), f"{uri} was in the collection a moment ago"
    return found


def _most_liked(events: Sequence[Event], split_at_s: float) -> list[str]:
    counts = Counter(event.uri for event in events if event.at_s < split_at_s and event.liked)
    return [uri for uri, _ in counts.most_common()]


def _not_had(popular: Sequence[str], person: _Person, k: int) -> list[str]:
    had = {*person.likes, *person.dislikes}
    return [uri for uri in popular if uri not in had][:k]


def _figures(world: _World, people: Sequence[_Person], answers: Sequence[list[str]]) -> Figures:
    k = world.options.k
    pairs = list(zip(people, answers, strict=True))
    num_items = max(one_number(world.con, "SELECT count(*) FROM source"), 1)
    return Figures(
        recall=_mean([len(p.later & set(found)) / len(p.later) for p, found in pairs]),
        ndcg=_mean(
            [ndcg([uri in p.later for uri in found], len(p.later), k) for p, found in pairs]
        ),
        coverage=len({uri for found in answers for uri in found}) / num_items,
        diversity=_mean([_distance(world, found) for found in answers]),
    )


def ndcg(right: Sequence[bool], num_relevant: int, k: int) -> float:
    """Return the normalised discounted cumulative gain of an answer with gains of 0 and 1."""
    gain = sum(1 / math.log2(place + 2) for place, is_right in enumerate(right[:k]) if is_right)
    best = sum(1 / math.log2(place + 2) for place in range(min(num_relevant, k)))
    return gain / best if best else 0.0


def _distance(world: _World, uris: list[str]) -> float:
    sql = (
        "SELECT min(c.chunk_id) AS chunk_id FROM source s JOIN chunk c USING (content_hash) "
        "WHERE s.uri IN (SELECT unnest($uris::VARCHAR[])) GROUP BY s.uri"
    )
    ids = np.asarray(world.con.execute(sql, {"uris": uris}).fetchnumpy()["chunk_id"], np.int64)
    spread = [mean_distance(vectors_of_chunks(world.con, held, ids).matrix) for held in world.lists]
    return max(spread, default=0.0)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
