"""Say which of the two versions of an A/B trial people find better, by their judgements.

Each query was answered by one version, so the two are compared over different queries: a share for
each query, their means, and the interval of the difference. Only what people said since the trial
began counts, and only of the version that the trial gave the query to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import duckdb
import numpy as np

from crossmodal.evaluation.gate import MIN_CLUSTERS
from crossmodal.evaluation.intervals import Floats, Interval, apart, interval
from crossmodal.ledger.write.judgements import Judgement, grades, standing_judgements
from crossmodal.ledger.write.trials import Trial, trial_of
from crossmodal.views.text_table import TextTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Tell how often the hits of one version fit: the mean over queries of the share that does."""

    model: str
    num_queries: int
    num_judged: int
    fits: Interval | None
    """None where nobody judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """Hold what people said of both versions so far."""

    live: Side
    challenger: Side
    change: Interval | None
    """Challenger less live, with its 95 % interval; None where one of them was not judged."""
    verdict: str


def trial_result(trial: Trial, said: Sequence[Judgement]) -> TrialResult:
    """Return what people said of the two versions of a trial."""
    shares = {taken: _shares(trial, said, taken=taken) for taken in (False, True)}
    old, new = (np.array([share for share, _ in shares[taken].values()]) for taken in (False, True))
    change = apart(new, old) if len(old) and len(new) else None
    return TrialResult(
        live=_side(trial.live, shares[False]),
        challenger=_side(trial.challenger, shares[True]),
        change=change,
        verdict=_verdict(trial, len(old), len(new), change),
    )


def result_in(con: duckdb.DuckDBPyConnection) -> tuple[Trial | None, TrialResult | None]:
    """Return the trial that is on and what people said so far; None where none is."""
    on = trial_of(con)
    return on, trial_result(on, standing_judgements(con)) if on else None


def result_table(found: TrialResult) -> TextTable:
    """Return a line for each version, and one for the difference."""
    rows = [
        (side.model, f"{side.num_queries:,}", f"{side.num_judged:,}", _cell(side.fits))
        for side in (found.live, found.challenger)
    ]
    rows.append(("difference", "", "", _cell(found.change)))
    header = ("model version", "queries", "judged hits", "fit, by query")
    return TextTable("judged since the trial began", header, rows)


def _cell(found: Interval | None) -> str:
    return "" if found is None else f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


Key = tuple[str, str]


def _shares(
    trial: Trial, said: Sequence[Judgement], *, taken: bool
) -> dict[Key, tuple[float, int]]:
    """Return by query the share of its judged hits that fits, and how many these are."""
    began = datetime.fromisoformat(trial.since)
    counted = [
        each
        for each in said
        if trial.is_by(each.model, challenger=taken)
        and each.judged_at is not None
        and each.judged_at >= began
        and trial.takes(_asked(each)) == taken
    ]
    by_query: dict[Key, list[int]] = defaultdict(list)
    for (query, _), grade in grades(counted).items():
        by_query[query].append(grade)
    return {query: (sum(found) / len(found), len(found)) for query, found in by_query.items()}


def _asked(said: Judgement) -> str:
    return said.query if said.query_kind == "text" else f"chunk {said.query}"


def _side(model: str, shares: dict[Key, tuple[float, int]]) -> Side:
    values: Floats = np.array([share for share, _ in shares.values()], np.float64)
    return Side(
        model=model,
        num_queries=len(values),
        num_judged=sum(num for _, num in shares.values()),
        fits=interval(values, np.arange(len(values))) if len(values) else None,
    )


def _verdict(trial: Trial, num_live: int, num_challenger: int, change: Interval | None) -> str:
    if change is None or min(num_live, num_challenger) < MIN_CLUSTERS:
        return (
            f"too few for a verdict: people judged hits of {num_live} and {num_challenger} "
            f"queries, and {MIN_CLUSTERS} of each are needed"
        )
    if change.low > 0:
        return f"{trial.challenger} is better"
    if change.high < 0:
        return f"{trial.live} is better"
    return "not told apart: the interval of the difference holds 0"
