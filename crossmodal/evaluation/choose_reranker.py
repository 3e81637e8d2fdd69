"""Let a collection keep a reranker for a pair, if an evaluation set shows that it wins there.

Owns the gate: the lower end of the paired difference's interval in nDCG@10 must lie above zero, on
enough items for an interval. What is not shown to be better stays off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.encoders.rerankers.reranker import TokenReranker
from crossmodal.errors import EvaluationError, GateMissed
from crossmodal.evaluation.compare import PairComparison, compare
from crossmodal.evaluation.evaluate import NULL, EvaluateSpec, evaluate
from crossmodal.evaluation.gate import MIN_CLUSTERS
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.token_files import token_files
from crossmodal.ledger.write import settings
from crossmodal.runs.progress import Progress
from crossmodal.search.options import PAIR_MODALITIES, QueryOptions
from crossmodal.search.reranking import OFF
from crossmodal.search.tokens.codes import form_of
from crossmodal.search.tokens.store import release

MEASURE = "nDCG@10"
_DEPTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class RerankerSpec:
    """Say which reranker is to order the hits of which pair, and what has to show it."""

    collection: str
    model: str
    pair: str
    set_path: str
    root: str = ""
    device: str = "auto"
    pool: int = 1
    """About so many token vectors of a hit are joined to one; 1: none."""


def set_reranker(spec: RerankerSpec, progress: Progress = NULL) -> dict[str, Any]:
    """Return what showed that the reranker wins on the pair; the collection keeps it from now on.

    Raises as ``evaluate`` and ``compare`` do, and:
        EvaluationError: rerankers cannot be kept for this pair.
        GateMissed: it is not shown to be better; it carries the figures.
    """
    _refuse_unknown(spec.pair)
    reranker = load_reranker(spec.model, spec.device)
    found = _compared(spec, progress)
    change = found.change[MEASURE]
    kept = {
        "model": spec.model,
        "label": reranker.label,
        "fingerprint": reranker.fingerprint,
        "pool": spec.pool,
        "tokens": form_of(reranker, spec.pool).name if isinstance(reranker, TokenReranker) else "",
        "set": spec.set_path,
        "before": found.before[MEASURE],
        "after": found.after[MEASURE],
        "change": [change.value, change.low, change.high],
        "num_queries": found.num_queries,
    }
    if found.num_clusters < MIN_CLUSTERS or change.low <= 0:
        raise GateMissed(
            f"{reranker.label} is not shown to be better at {spec.pair}: {MEASURE} "
            f"{found.before[MEASURE]:.3f} -> {found.after[MEASURE]:.3f}, by {change.value:+.4f} "
            f"({change.low:+.4f} to {change.high:+.4f}) on {found.num_clusters} items; at least "
            f"{MIN_CLUSTERS} and a lower end above 0 are needed, so it stays off",
            kept,
        )
    with Collection(spec.collection).write() as con:
        before = settings.rerankers(con)
        after = before | {spec.pair: kept}
        settings.remember_rerankers(con, after)
    _release(Path(spec.collection), before, after)
    return kept


def drop_reranker(collection: str, pair: str) -> bool:
    """Forget the reranker of a pair; say whether there was one.

    Raises:
        EvaluationError: rerankers cannot be kept for this pair.
    """
    _refuse_unknown(pair)
    with Collection(collection).write() as con:
        before = settings.rerankers(con)
        after = {name: kept for name, kept in before.items() if name != pair}
        settings.remember_rerankers(con, after)
    _release(Path(collection), before, after)
    return len(after) < len(before)


def kept_rerankers(collection: str) -> dict[str, Any]:
    """Return the rerankers that a collection keeps by pair, and what their token vectors take."""
    opened = Collection(collection)
    with opened.read() as con:
        kept = settings.rerankers(con)
    tokens = token_files(opened.path)
    return {
        "pairs": kept,
        "tokens": [asdict(each) for each in tokens],
        "token_bytes": sum(each.num_bytes for each in tokens),
    }


def _compared(spec: RerankerSpec, progress: Progress) -> PairComparison:
    query = QueryOptions(
        collection=spec.collection, device=spec.device, k=_DEPTH, rerank=OFF, rerank_deadline_ms=0
    )
    asked = EvaluateSpec(set_path=spec.set_path, query=query, root=spec.root, pairs=(spec.pair,))
    before = evaluate(asked, progress).record
    reranked = replace(query, rerank=spec.model, rerank_pool=spec.pool)
    after = evaluate(replace(asked, query=reranked), progress).record
    return compare(before, after).pairs[0]


def _release(path: Path, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Take away the token vectors of rerankers that were kept and are no more."""
    gone = {each["fingerprint"] for each in before.values()}
    gone -= {each["fingerprint"] for each in after.values()}
    for fingerprint in gone:
        release(path, fingerprint)


def _refuse_unknown(pair: str) -> None:
    if pair not in PAIR_MODALITIES:
        raise EvaluationError(
            f"a reranker cannot be kept for {pair!r}: choose one of {', '.join(PAIR_MODALITIES)}"
        )
