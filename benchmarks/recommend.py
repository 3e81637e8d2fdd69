"""Measure whether recommendations keep to likes, away from dislikes, and vary when asked to.

Clothing: a kind is liked (three pictures) and the kind that most often comes wrongly is disliked
(three pictures); every other kind is never liked, since the strategy spread was tuned by them.
Cars: red sports cars are liked, and of sports cars that are not red, red cars that are no sports
cars, and others, the most frequent wrong kind is disliked. Compared are one of the three likes
alone (any, the middle one, and the best in hindsight), three likes, and three likes with three
dislikes, with colours counted where these say that they are meant; of cars the latter also without
colours, and always with them; then the same with a diversity of 0.5.
Intervals: 95 %, from a paired bootstrap over the trials.

    crossmodal index ../shared/data/cars ../shared/data/classify/clothing -c recommend.duckdb
    python -m benchmarks.recommend recommend.duckdb ../shared/data benchmarks/results/today-taste

With ``further``, kinds for which nothing was built, in another collection: ten classes of ImageNet,
ten of CIFAR-10, and cars by their bodies.

    crossmodal index ../shared/data/cars/images ../shared/data/classify -c further.duckdb
    python -m benchmarks.recommend further.duckdb ../shared/data OUT further
"""

from __future__ import annotations

import csv
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.filters import Where, parse_where
from crossmodal.ledger.read.many_vectors import vectors_of_chunks
from crossmodal.recommendation.candidates import Depth, Taste
from crossmodal.recommendation.choice import Wish, suiting
from crossmodal.recommendation.diversity import mean_distance
from crossmodal.recommendation.meant_colours import colours_are_meant
from crossmodal.recommendation.scoring import STRATEGIES, Strategy
from crossmodal.records import Hit, VectorList
from crossmodal.search.centring import Centring, centring_of, normalised
from crossmodal.search.examples import Example, look_up
from crossmodal.search.lists import choose_lists
from crossmodal.search.options import QueryOptions
from crossmodal.vectors.search import SearchRequest, search

K = 10
NUM_EXAMPLES = 3
NUM_TRIALS = 240
_SEED = 11
NUM_OTHER_TRIALS = 20
"""Of the strategies that are not the default."""
NUM_RESAMPLED = 2000
DIVERSITY = 0.5


@dataclass(frozen=True)
class World:
    """Hold one labelled part of the collection."""

    con: duckdb.DuckDBPyConnection
    lists: list[VectorList]
    centring: Centring
    where: Where
    labels: dict[str, str]
    """Kind by uri; what has none is not judged."""
    strategy: Strategy = "spread"
    colours: float | None = None
    """How much colours count; None: as likes and dislikes say."""
    known: dict[str, Example] = field(default_factory=dict)

    def example(self, uri: str) -> Example:
        """Return a picture as an example."""
        if uri not in self.known:
            found = look_up(self.con, self.lists, uri)
            assert isinstance(found, Example)
            self.known[uri] = found
        return self.known[uri]


def recommended(
    world: World,
    likes: Sequence[str],
    dislikes: Sequence[str],
    diversity: float = 0.0,
    *,
    coloured: bool = True,
) -> list[Hit]:
    """Return the ten that suit; colours count as the world says, or not."""
    taste = taste_of(world, likes, dislikes)
    if coloured:
        taste = replace(taste, colours=colours_in(world, taste))
    depth = Depth(200, world.where, None)
    return [each.hit for each in suiting(world.con, world.lists, taste, depth, Wish(K, diversity))]


def taste_of(world: World, likes: Sequence[str], dislikes: Sequence[str]) -> Taste:
    """Return a taste for which colours do not count."""
    return Taste(
        [world.example(uri) for uri in likes],
        [world.example(uri) for uri in dislikes],
        np.ones(len(likes), np.float32),
        world.strategy,
        world.centring,
    )


def colours_in(world: World, taste: Taste) -> float:
    """Return how much colours count for a taste."""
    if world.colours is not None:
        return world.colours
    meant = colours_are_meant(world.con, world.lists, taste)
    return float(world.strategy == "spread" and meant)


def trial(world: World, kind: str, rng: np.random.Generator) -> dict[str, float]:
    """Return the figures of one person who likes three of a kind and dislikes three of another."""
    of_kind = sorted(uri for uri, label in world.labels.items() if label == kind)
    likes = rng.choice(of_kind, NUM_EXAMPLES, replace=False).tolist()
    plain = recommended(world, likes, [])
    alone = [recommended(world, [like], [], coloured=False) for like in likes]
    alone_coloured = [recommended(world, [like], []) for like in likes] if world.colours else alone
    unwanted = _most_frequent_wrong(world, kind, [plain, *alone])
    others = sorted(uri for uri, label in world.labels.items() if label == unwanted)
    dislikes = rng.choice(others, NUM_EXAMPLES, replace=False).tolist()
    singles = [_precision(world, hits, kind) for hits in alone]
    vectors = normalised(np.stack([_centred(world, like) for like in likes]))
    middle = int(np.argmax(vectors @ vectors.mean(axis=0)))
    both = recommended(world, likes, dislikes)
    given = taste_of(world, likes, dislikes)
    varied = recommended(world, likes, dislikes, DIVERSITY)
    return {
        "best single": max(singles),
        "mean single": float(np.mean(singles)),
        "middle single": singles[middle],
        "mean single, colours": float(
            np.mean([_precision(world, hits, kind) for hits in alone_coloured])
        ),
        "disliked single": float(np.mean([_num_of(world, hits, unwanted) for hits in alone])),
        "colours count": colours_in(world, given),
        "likes": _precision(world, plain, kind),
        "likes and dislikes": _precision(world, both, kind),
        "varied": _precision(world, varied, kind),
        "disliked before": _num_of(world, plain, unwanted),
        "disliked after": _num_of(world, both, unwanted),
        "distance": _distance(world, both),
        "distance varied": _distance(world, varied),
    }


def _centred(world: World, uri: str) -> np.ndarray:
    ((space, vector),) = world.example(uri).vectors.items()
    return world.centring.centred(vector, space)


def _most_frequent_wrong(world: World, kind: str, answers: list[list[Hit]]) -> str:
    wrong = Counter(world.labels.get(hit.uri) for hits in answers for hit in hits)
    ranked = [label for label, _ in wrong.most_common() if label not in (kind, None)]
    others = sorted({label for label in world.labels.values() if label != kind})
    return str([*ranked, *others][0])


def _precision(world: World, hits: list[Hit], kind: str) -> float:
    judged = [world.labels[hit.uri] == kind for hit in hits if hit.uri in world.labels]
    return sum(judged) / max(len(judged), 1)


def _num_of(world: World, hits: list[Hit], kind: str) -> float:
    return float(sum(world.labels.get(hit.uri) == kind for hit in hits))


def _distance(world: World, hits: list[Hit]) -> float:
    ids = np.array([hit.chunk_id for hit in hits], np.int64)
    return mean_distance(vectors_of_chunks(world.con, world.lists[0], ids).matrix)


def clothing(data: Path) -> dict[str, str]:
    """Return the kind of each garment."""
    return _labels(data, "classify/clothing.csv", "label")


def _labels(data: Path, table: str, column: str) -> dict[str, str]:
    """Return what a table calls each picture, where it calls it anything."""
    with (data / table).open(newline="", encoding="utf-8") as rows:
        return {str(data / row["path"]): row[column] for row in csv.DictReader(rows) if row[column]}


def cars(data: Path) -> dict[str, str]:
    """Return the kind of each car; those that people could argue about have none."""
    found = {}
    with (data / "cars" / "labels.csv").open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            if row["red_sports_car"] in ("yes", "no"):
                found[str(data / row["path"])] = _kind_of_car(row)
    return found


def _kind_of_car(row: dict[str, str]) -> str:
    if row["red_sports_car"] == "yes":
        return "red sports car"
    if row["sports_car"] == "yes":
        return "sports car, not red"
    return "red car, no sports car" if row["color"] == "red" else "neither"


def interval(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean and its 95 % interval from a bootstrap."""
    rng = np.random.default_rng(7)
    means = values[rng.integers(0, len(values), (NUM_RESAMPLED, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def summed(rows: list[dict[str, float]]) -> dict[str, Any]:
    """Return means, and differences with their intervals."""
    column = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    means: dict[str, Any] = {name: round(float(v.mean()), 3) for name, v in column.items()}
    both = column["likes and dislikes"]
    gains = {
        "likes and dislikes - best single": both - column["best single"],
        "likes and dislikes - mean single": both - column["mean single"],
        "likes and dislikes - middle single": both - column["middle single"],
        "varied - likes and dislikes": column["varied"] - both,
    }
    means |= {name: [round(x, 3) for x in interval(values)] for name, values in gains.items()}
    before, after = column["disliked before"], column["disliked after"]
    means["disliked falls by"] = _share(before - after, before)
    single = column["disliked single"]
    means["disliked falls by, from one like"] = _share(single - after, single)
    means["distance rises by"] = _share(
        column["distance varied"] - column["distance"], column["distance"]
    )
    return means


def _share(part: np.ndarray, whole: np.ndarray) -> list[float]:
    """Return the ratio of sums and its 95 % interval."""
    rng = np.random.default_rng(7)
    rows = rng.integers(0, len(whole), (NUM_RESAMPLED, len(whole)))
    ratios = part[rows].sum(axis=1) / np.maximum(whole[rows].sum(axis=1), 1e-9)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return [round(float(x), 3) for x in (part.sum() / max(whole.sum(), 1e-9), low, high)]


def times(world: World, likes: list[str], dislikes: list[str]) -> dict[str, float]:
    """Return medians in ms of one search and of one recommendation, by turns."""
    vector = next(iter(world.example(likes[0]).vectors.values()))
    request = SearchRequest(world.lists[0], vector, k=K, where=world.where)
    pair: tuple[Callable[[], Any], ...] = (
        lambda: search(world.con, request),
        lambda: recommended(world, likes, dislikes),
    )
    taken: list[list[float]] = [[], []]
    for _ in range(30):
        for number, call in enumerate(pair):
            began = time.perf_counter()
            call()
            taken[number].append((time.perf_counter() - began) * 1000)
    one, other = (round(float(np.median(each)), 1) for each in taken)
    return {"search_ms": one, "recommend_ms": other, "ratio": round(other / one, 1)}


class Part(NamedTuple):
    """Hold pictures of which some kinds are liked."""

    labels: dict[str, str]
    glob: str
    kinds: list[str]


def parts_of(data: Path) -> dict[str, Part]:
    """Return the parts of which every other kind, and cars of other colours, tuned the default."""
    clothes = clothing(data)
    return {
        "clothing": Part(clothes, "*/clothing/*", sorted(set(clothes.values()))[1::2]),
        "cars": Part(cars(data), "*/cars/*", ["red sports car"]),
    }


def further_parts_of(data: Path) -> dict[str, Part]:
    """Return parts for which nothing was built."""
    labels = {
        "imagenette160": _labels(data, "classify/imagenette160.csv", "label"),
        "cifar10": _labels(data, "classify/cifar10.csv", "label"),
        "bodies of cars": _labels(data, "cars/labels.csv", "body"),
    }
    return {
        name: Part(of, "*/cars/*" if "cars" in name else f"*/{name}/*", _frequent(of))
        for name, of in labels.items()
    }


def _frequent(labels: dict[str, str]) -> list[str]:
    """Return the kinds with ten pictures besides three likes."""
    num = Counter(labels.values())
    return sorted(kind for kind in num if num[kind] >= K + NUM_EXAMPLES)


def ways(name: str, strategies: Sequence[Strategy]) -> list[tuple[Strategy, float | None]]:
    """Return what is measured of a part: of cars, whose kinds are colours, both ways."""
    plain: list[tuple[Strategy, float | None]] = [(strategy, None) for strategy in strategies]
    return [*plain, (strategies[0], 0.0), (strategies[0], 1.0)] if name == "cars" else plain


def main(collection: Path, data: Path, dest: Path, further: str = "") -> None:
    """Measure the parts, further ones with the default alone, and write ``dest.json``."""
    results: dict[str, Any] = {}
    with Collection(collection).read() as con:
        every = choose_lists(con, collection, QueryOptions(collection=str(collection)))
        lists = [held for held in every if held.modality == "image"]
        parts = further_parts_of(data) if further else parts_of(data)
        for name, (labels, glob, kinds) in parts.items():
            where = parse_where([f"path={glob}"])
            for strategy, colours in ways(name, STRATEGIES[:1] if further else STRATEGIES):
                rng = np.random.default_rng(_SEED)
                world = World(con, lists, centring_of(con, lists), where, labels, strategy, colours)
                num = NUM_TRIALS if strategy in ("spread", "best") else NUM_OTHER_TRIALS
                rows = [trial(world, kinds[i % len(kinds)], rng) for i in range(num)]
                way = f"{name}, {strategy}{'' if colours is None else f', colours {colours:g}'}"
                results[way] = summed(rows)
                print(way, json.dumps(results[way], indent=1), flush=True)
            some = sorted(labels)[: 2 * NUM_EXAMPLES]
            results[f"{name}, time"] = times(world, some[:NUM_EXAMPLES], some[NUM_EXAMPLES:])
    dest.parent.mkdir(parents=True, exist_ok=True)
    dest.with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]).absolute(), Path(sys.argv[3]), *sys.argv[4:5])
