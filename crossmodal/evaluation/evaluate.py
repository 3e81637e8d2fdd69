"""Evaluate: read a set, ask every query through the search, measure what came back, keep it.

Owns the order of these steps and what a figure is made of; asking, measuring and storing are done
by others. Invariant: nothing that was not scored goes without being named and counted.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import duckdb

from crossmodal.errors import EvaluationError, SetUnreadable
from crossmodal.evaluation.locate import Located, bases_of, locate
from crossmodal.evaluation.measures import library
from crossmodal.evaluation.one_pair import PairOutcome, Ranked, evaluate_pair
from crossmodal.evaluation.overlap import overlap, refuse_overlap
from crossmodal.evaluation.pairs import PairPlan, plan_pairs, targets_of
from crossmodal.evaluation.sets import EvaluationSet, Target, read_set
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.evaluation_records import EvaluationRecord
from crossmodal.ledger.write import evaluations, model_versions
from crossmodal.records import VectorList
from crossmodal.runs.progress import NullProgress, Progress
from crossmodal.search.lists import choose_lists
from crossmodal.search.options import QueryOptions
from crossmodal.search.reranking import second_stage

NULL = NullProgress()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateSpec:
    """Say what to evaluate with which set."""

    set_path: str
    query: QueryOptions
    """Collection, model, device and filter; ``k`` is how deep answers are looked at."""
    root: str = ""
    pairs: tuple[str, ...] = ()
    """Only these; empty for all that the set can judge."""
    allow_overlap: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Evaluated:
    """Hold an evaluation and the answers that it was made of."""

    record: EvaluationRecord
    ranked: dict[str, Ranked] = field(default_factory=dict)
    """By pair."""


def evaluate(spec: EvaluateSpec, progress: Progress = NULL) -> Evaluated:
    """Return how well a model version, or the live line-up, answers a set; stores it.

    Raises:
        EvaluationError: ir-measures is not installed.
        SetUnreadable: the set cannot be read, or nothing of it is indexed.
        SetOverlaps: a version was trained on it, and that is not allowed.
        CollectionMissing, CollectionEmpty, ModelMismatch: there is nothing to ask.
    """
    library()
    given = read_set(spec.set_path)
    collection = Collection(spec.query.collection)
    rerankers = [chosen.model for chosen in second_stage(collection, spec.query).chosen]
    with collection.read() as con:
        lists = choose_lists(con, collection.path, replace(spec.query, modalities=()))
        located = locate(con, targets_of(given), bases_of(given.path, spec.root))
        versions = _served(con, lists, spec.query.model)
        seen = overlap(con, given, located.values(), sorted(set(versions.values())), rerankers)
    label = " + ".join(dict.fromkeys(held.version.label for held in lists))
    refuse_overlap(seen, " + ".join((label, *rerankers)), allowed=spec.allow_overlap)
    with collection.write():
        pass  # refuses one that may not be written before minutes of queries, not after them
    plans = _wanted(given, located, spec)
    progress.start(sum(len(plan.questions) for plan in plans), f"queries to {label}")
    done = [found for plan in plans if (found := _outcome(plan, given, spec, progress))]
    if not done:
        raise EvaluationError(f"no query of {given.path} can be scored: {_told(given)}")
    record = EvaluationRecord(
        evaluation_id=uuid.uuid4().hex,
        model=label,
        versions=versions,
        set_name=given.name,
        set_path=str(given.path),
        set_digest=given.digest,
        settings={
            "model": spec.query.model,
            "where": spec.query.where,
            "depth": spec.query.k,
            "rerank": spec.query.rerank,
            "rerank_pool": spec.query.rerank_pool,
        },
        problems=given.problems.listed(),
        overlap=seen,
        pairs=[outcome.result for outcome in done],
        queries=[query for outcome in done for query in outcome.queries],
    )
    with collection.write() as con:
        evaluations.put(con, record)
    return Evaluated(record, {outcome.result.pair: outcome.ranked for outcome in done})


def _outcome(
    plan: PairPlan, given: EvaluationSet, spec: EvaluateSpec, progress: Progress
) -> PairOutcome | None:
    """Return what a pair scored; the queries that could not be asked count as done, too."""
    found = evaluate_pair(plan, given.problems, spec.query, spec.seed, progress.advance)
    progress.advance(len(plan.questions) - (found.result.num_queries if found else 0))
    return found


def _served(
    con: duckdb.DuckDBPyConnection, lists: Sequence[VectorList], model: str | None
) -> dict[str, int]:
    live = model_versions.live(con)
    serving = live.serving if live and model is None else {h.modality: h.version for h in lists}
    return {modality: version.id or 0 for modality, version in serving.items()}


def _wanted(
    given: EvaluationSet, located: dict[Target, Located], spec: EvaluateSpec
) -> list[PairPlan]:
    if not located:
        raise SetUnreadable(
            f"nothing that {given.path} names is in {spec.query.collection}: index it first, or "
            "say with --root where its paths begin"
        )
    plans = plan_pairs(given, located)
    return [plan for plan in plans if not spec.pairs or plan.pair in spec.pairs]


def _told(given: EvaluationSet) -> str:
    return "; ".join(f"{p.count:,} {p.reason.replace('_', ' ')}" for p in given.problems.listed())
