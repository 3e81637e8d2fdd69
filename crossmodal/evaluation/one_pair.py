"""Ask and measure the queries of one pair.

Owns what becomes of a query: unanswerable ones are counted and left out, all others are scored,
with 0 where nothing right was found. Refuses to read sets and to store anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from crossmodal.errors import CollectionEmpty
from crossmodal.evaluation import measures
from crossmodal.evaluation.asking import Found, Tick, ask_texts, ask_vectors
from crossmodal.evaluation.gallery import Items, digest_of, gallery, whole_item
from crossmodal.evaluation.intervals import interval
from crossmodal.evaluation.locate import content_of
from crossmodal.evaluation.pairs import PairPlan, Question
from crossmodal.evaluation.sets import Problems
from crossmodal.evaluation.short_texts import held
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.evaluation_records import MEASURES, Estimate, PairResult, QueryResult
from crossmodal.ledger.read.filters import parse_where
from crossmodal.ledger.sql import first_row
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import Hit, ModelVersion, VectorList
from crossmodal.search.lists import choose_lists, lists_for_text
from crossmodal.search.options import QueryOptions

_CHUNKS_AN_ITEM = 4
_KEPT_HITS = 5
_OWN_VECTORS = """
SELECT c.content_hash, arg_min(v.v, c.chunk_id)
FROM chunk c JOIN {table} v USING (chunk_id)
WHERE c.content_hash IN (SELECT unnest($hashes::VARCHAR[])) GROUP BY c.content_hash
"""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Hold the answers of one pair, for TREC files."""

    judgements: dict[str, dict[str, int]]
    rankings: dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class PairOutcome:
    """Hold what the queries of a pair scored, one by one and together."""

    result: PairResult
    queries: list[QueryResult]
    ranked: Ranked


@dataclass(frozen=True, slots=True)
class _Pictures:
    """Hold the vectors that pictures ask with."""

    version: ModelVersion
    of: dict[str, npt.NDArray[np.float32]]
    """By content hash, (dim,) float32."""


def evaluate_pair(
    plan: PairPlan, problems: Problems, query: QueryOptions, seed: int, tick: Tick
) -> PairOutcome | None:
    """Return what the pair's queries scored; None where no list can answer them."""
    options = _options(plan, query)
    try:
        pictures = _pictures(plan, options)
        with _looked_through(plan, pictures, options) as asked:
            findable = _findable(plan, asked)
            questions = _answerable(plan, pictures, findable, problems)
            if not questions:
                return None
            found = _asked(questions, pictures, asked, tick)
            shown = _items_found(plan.items, asked, questions, found)
    except CollectionEmpty:
        problems.add("no_list_for_pair", plan.pair)
        return None
    return _scored(plan.pair, questions, findable, found, _Shown(shown, query.k, seed))


@dataclass(frozen=True, slots=True)
class _Shown:
    rankings: dict[str, list[str]]
    depth: int
    seed: int


def _options(plan: PairPlan, query: QueryOptions) -> QueryOptions:
    per_item = _CHUNKS_AN_ITEM if plan.items.divided else 1
    needed = plan.where if _holds_others(plan, query) else []
    return replace(
        query,
        k=query.k * per_item + 1,  # a picture finds itself first
        modalities=plan.modalities,
        where=[*query.where, *needed],
        group=not plan.items.divided,
    )


def _holds_others(plan: PairPlan, query: QueryOptions) -> bool:
    """Say whether the pair's filter leaves anything out: without one, queries go in batches."""
    if not plan.where:
        return False
    wanted = parse_where(plan.where)
    modality = plan.modalities[0] if plan.modalities else None
    sql = (
        f"SELECT 1 FROM source WHERE NOT ({wanted.sql}) AND content_hash IN "
        "(SELECT content_hash FROM chunk WHERE $modality IS NULL OR modality = $modality) LIMIT 1"
    )
    with Collection(query.collection).read() as con:
        return first_row(con, sql, {**wanted.params, "modality": modality}) is not None


def _pictures(plan: PairPlan, options: QueryOptions) -> _Pictures | None:
    """Return the stored vectors of the pictures that ask; None where none does.

    Raises:
        CollectionEmpty: the collection has no vectors of pictures.
    """
    hashes = sorted({q.picture for q in plan.questions if q.picture})
    if not hashes:
        return None
    collection = Collection(options.collection)
    with collection.read() as con:
        seeing = replace(options, modalities=("image",))
        version = choose_lists(con, collection.path, seeing)[0].version
        table = table_of(VectorList(version, "image"))
        rows = con.execute(_OWN_VECTORS.format(table=table), {"hashes": hashes}).fetchall()
    return _Pictures(version, {key: np.asarray(v, dtype=np.float32) for key, v in rows})


@contextmanager
def _looked_through(
    plan: PairPlan, pictures: _Pictures | None, options: QueryOptions
) -> Iterator[QueryOptions]:
    """Yield the options that ask the collection, or that of the plan's own texts."""
    if not plan.texts or pictures is None:
        yield options
        return
    with held(plan.texts, pictures.version, options.device) as texts:
        yield replace(options, collection=str(texts.path), model=None, where=[])


def _findable(plan: PairPlan, options: QueryOptions) -> set[str]:
    collection = Collection(options.collection)
    with collection.read() as con:
        lists = choose_lists(con, collection.path, options)
        return gallery(con, lists_for_text(lists), parse_where(options.where), plan.items)


def _answerable(
    plan: PairPlan, pictures: _Pictures | None, findable: set[str], problems: Problems
) -> list[Question]:
    """Return the questions with what can be found of their answers; count all others."""
    kept = []
    for question in plan.questions:
        relevant = {item: g for item, g in question.relevant.items() if item in findable}
        for _ in range(len(question.relevant) - len(relevant)):
            problems.add("answer_not_in_gallery", f"{plan.pair}: {question.title}")
        if question.picture and (pictures is None or question.picture not in pictures.of):
            problems.add("picture_has_no_vector", f"{plan.pair}: {question.title}")
        elif any(grade > 0 for grade in relevant.values()):
            kept.append(replace(question, relevant=relevant))
        else:
            problems.add("unanswerable_query", f"{plan.pair}: {question.title}")
    return kept


def _asked(
    questions: Sequence[Question], pictures: _Pictures | None, options: QueryOptions, tick: Tick
) -> Found:
    if pictures is None:
        return ask_texts(options, [question.text for question in questions], tick)
    vectors = np.stack([pictures.of[question.picture] for question in questions])
    return ask_vectors(options, vectors, VectorList(pictures.version, "image"), tick)


def _items_found(
    items: Items, options: QueryOptions, questions: Sequence[Question], found: Found
) -> dict[str, list[str]]:
    """Return by query id the items of its hits, each once, at its best chunk."""
    with Collection(options.collection).read() as con:
        hashes = content_of(con, {hit.uri for hits in found.hits for hit in hits})
    return {
        question.query_id: _ranking(items, hits, hashes, whole_item(question.picture))
        for question, hits in zip(questions, found.hits, strict=True)
    }


def _ranking(
    items: Items, hits: Sequence[Hit], hashes: Mapping[str, str], itself: str
) -> list[str]:
    shown = (item for hit in hits if hit.uri in hashes for item in items.of(hit, hashes[hit.uri]))
    return [item for item in dict.fromkeys(shown) if item != itself]


def _scored(
    pair: str, questions: Sequence[Question], findable: set[str], found: Found, shown: _Shown
) -> PairOutcome:
    rankings = {q: list(islice(r, shown.depth)) for q, r in shown.rankings.items()}
    judgements = {question.query_id: question.relevant for question in questions}
    scores = measures.measured(judgements, rankings)
    queries = [
        QueryResult(
            pair=pair,
            query_id=question.query_id,
            cluster=question.cluster,
            title=question.title,
            first_rank=measures.first_rank(question.relevant, rankings[question.query_id]),
            scores=scores[question.query_id],
            top_chunks=tuple(hit.chunk_id for hit in hits[:_KEPT_HITS]),
            top_scores=tuple(hit.score for hit in hits[:_KEPT_HITS]),
        )
        for question, hits in zip(questions, found.hits, strict=True)
    ]
    result = PairResult(
        pair=pair,
        num_queries=len(queries),
        num_clusters=len({query.cluster for query in queries}),
        gallery_size=len(findable),
        gallery_digest=digest_of(findable),
        measures=_estimates(queries, questions, len(findable), shown.seed),
        median_rank=measures.median_rank([query.first_rank for query in queries]),
        ms_per_query=found.ms_per_query,
    )
    return PairOutcome(result, queries, Ranked(judgements, rankings))


def _estimates(
    queries: Sequence[QueryResult], questions: Sequence[Question], size: int, seed: int
) -> dict[str, Estimate]:
    values = np.array([query.scores for query in queries], dtype=np.float64)
    clusters = cluster_numbers(queries)
    num_right = [sum(g > 0 for g in question.relevant.values()) for question in questions]
    chance = measures.by_chance(np.array(num_right, dtype=np.int64), size)
    found = {}
    for place, name in enumerate(MEASURES):
        of = interval(values[:, place], clusters, seed)
        # Draws of few items are spread so far that an end may lie where no share can.
        low, high = max(0.0, float(of.low)), min(1.0, float(of.high))
        found[name] = Estimate(of.value, low, high, chance.get(name))
    return found


def cluster_numbers(queries: Sequence[QueryResult]) -> npt.NDArray[np.int64]:
    """Return (n,) the number of each query's cluster."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(q.cluster, len(numbers)) for q in queries], dtype=np.int64)
