"""Turn ranked answers and judgements into measures, by the tools of TREC (ir-measures).

Owns what is handed over: ranks as scores, because providers break ties of equal scores differently,
and a value for every query, because one without a right answer found counts 0 and does not vanish.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from crossmodal.errors import EvaluationError
from crossmodal.ledger.evaluation_records import MEASURES

Judgements = Mapping[str, Mapping[str, int]]
"""By query id, the grade of each item; above 0 is a right answer."""
Rankings = Mapping[str, Sequence[str]]
"""By query id, the items that were found, best first."""

CUTS = (1, 5, 10)


def measured(judgements: Judgements, rankings: Rankings) -> dict[str, tuple[float, ...]]:
    """Return by query id its values in the order of MEASURES; hit@k is TREC's success@k.

    Raises:
        EvaluationError: ir-measures is not installed.
    """
    ir = library()
    named = _named(ir)
    found = {query_id: dict.fromkeys(MEASURES, 0.0) for query_id in judgements}
    qrels = {q: dict(items) for q, items in judgements.items()}
    runs = {q: _by_rank(rankings.get(q, ())) for q in judgements}
    for metric in ir.iter_calc(list(named), qrels, runs):
        found[metric.query_id][named[metric.measure]] = float(metric.value)
    return {q: tuple(values[name] for name in MEASURES) for q, values in found.items()}


def first_rank(relevant: Mapping[str, int], ranking: Sequence[str]) -> int | None:
    """Return the rank, from 1, of the first right answer; None where none was found."""
    ranks = (rank for rank, item in enumerate(ranking, 1) if relevant.get(item, 0) > 0)
    return next(ranks, None)


def median_rank(ranks: Sequence[int | None]) -> float | None:
    """Return the median of first ranks; None where it is deeper than what was looked at."""
    middle = float(np.median([math.inf if rank is None else rank for rank in ranks]))
    return None if math.isinf(middle) or math.isnan(middle) else middle


def by_chance(num_right: npt.NDArray[np.int64], gallery_size: int) -> dict[str, float]:
    """Return what a random order of the gallery gives on average: hit@k and recall@k.

    ``num_right`` is (n,): how many right answers each query has. hit@k is 1 minus the
    hypergeometric chance of none; recall@k is k / gallery.
    """
    chances = {}
    for k in CUTS:
        k_of_all = min(k, gallery_size)
        misses = [_none_of(int(right), k_of_all, gallery_size) for right in num_right]
        chances[f"hit@{k}"] = 1 - float(np.mean(misses))
        chances[f"recall@{k}"] = k_of_all / gallery_size
    return chances


def _none_of(right: int, drawn: int, num: int) -> float:
    if right + drawn > num:
        return 0.0
    return math.comb(num - right, drawn) / math.comb(num, drawn)


def _by_rank(ranking: Sequence[str]) -> dict[str, float]:
    return {item: float(len(ranking) - place) for place, item in enumerate(ranking)}


def _named(ir: Any) -> dict[Any, str]:
    hits = {ir.Success @ k: f"hit@{k}" for k in CUTS}
    recalls = {ir.R @ k: f"recall@{k}" for k in CUTS}
    return {**hits, **recalls, ir.RR @ 10: "MRR@10", ir.nDCG @ 10: "nDCG@10", ir.AP: "mAP"}


def library() -> Any:
    """Return ir-measures, which is asked for before anything is searched.

    Raises:
        EvaluationError: it is not installed.
    """
    try:
        import ir_measures
    except ImportError as error:
        raise EvaluationError(
            "evaluating needs ir-measures: pip install 'crossmodal[evaluate]'"
        ) from error
    return ir_measures
