"""Hold what the ledger keeps of an evaluation: its pairs, and what every query scored and found.

Owns the names and the order of the measures; refuses to compute one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

MEASURES = (
    "hit@1",
    "hit@5",
    "hit@10",
    "recall@1",
    "recall@5",
    "recall@10",
    "MRR@10",
    "nDCG@10",
    "mAP",
)
"""hit@k: some right answer is among the first k. recall@k: the share of the right answers that is.

They differ where a query has several right answers: a photo with five captions has a recall@1 of
0.2 at best.
"""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Hold the mean of a measure with its 95 % interval, and what a random order would give."""

    value: float
    low: float
    high: float
    random: float | None = None


@dataclass(frozen=True, slots=True)
class Problem:
    """Name what of a set was not scored, or was not as it should be, and count it."""

    reason: str
    """A short, countable code such as ``not_indexed``."""
    count: int
    examples: tuple[str, ...]
    """The first three."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairResult:
    """Hold what the queries of one pair of modalities scored."""

    pair: str
    num_queries: int
    num_clusters: int
    """Items (photos, documents, moments) that the queries were written for."""
    gallery_size: int
    gallery_digest: str
    """SHA-256 over what could be found, hex: only equal galleries compare."""
    measures: dict[str, Estimate]
    median_rank: float | None
    """Of the first right answer; None where it is deeper than what was looked at."""
    ms_per_query: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """Hold what one query scored, and the best of what it found."""

    pair: str
    query_id: str
    cluster: str
    title: str
    first_rank: int | None
    """Of the first right answer, from 1; None where none was found."""
    scores: tuple[float, ...]
    """In the order of MEASURES."""
    top_chunks: tuple[int, ...] = ()
    top_scores: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationRecord:
    """Hold one evaluation: which model version answered which set how, and how well."""

    evaluation_id: str
    model: str
    """Label of the version, or of the line-up."""
    versions: dict[str, int]
    """Number of the model version by modality."""
    set_name: str
    set_path: str
    set_digest: str
    settings: dict[str, Any]
    problems: list[Problem]
    overlap: str
    """What of the set the model was trained on; empty where nothing is known of it."""
    pairs: list[PairResult]
    queries: list[QueryResult] = field(default_factory=list)
    created_at: str = ""
    """ISO 8601, UTC; empty until stored."""
