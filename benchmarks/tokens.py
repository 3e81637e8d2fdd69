"""Measure what keeping token vectors in eight bits, and pooled, saves and costs.

Asks the first questions of a set without a reranker, then with a late-interaction model whose
tokens are kept in float16, in int8 and pooled, all through ``evaluate``; paired with float16, with
intervals over questions. Tokens are made once and coded in every form, where a fill takes a pass of
the model for each. The collection is written to (tokens beside it, evaluations in it): give it a
copy.

    python -m benchmarks.tokens COPY.duckdb MODEL ../shared/data/text_ir/cranfield 60
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from crossmodal.encoders.rerankers.loading import load_reranker
from crossmodal.encoders.rerankers.reranker import Side, TokenReranker
from crossmodal.evaluation import evaluate as evaluation
from crossmodal.evaluation.compare import compare
from crossmodal.evaluation.evaluate import EvaluateSpec, evaluate
from crossmodal.evaluation.sets import EvaluationSet, read_set
from crossmodal.ledger.evaluation_records import EvaluationRecord
from crossmodal.search import reranking
from crossmodal.search.options import QueryOptions
from crossmodal.search.tokens.codes import TokenForm
from crossmodal.search.tokens.store import TokenCache

FORMS = (
    TokenForm(),
    TokenForm(is_int8=True),
    TokenForm(is_int8=True, pool=2),
    TokenForm(is_int8=True, pool=3),
    TokenForm(is_int8=True, pool=4),
)
_MEASURES = ("nDCG@10", "recall@10", "hit@1")
_REPEATS = 20


def main(collection: str, model: str, given: str, num: str = "60") -> None:
    """Print a row for each form: bytes a passage, ms, and what the order loses."""
    path, reranker = Path(collection), load_reranker(model, "cpu")
    assert isinstance(reranker, TokenReranker)
    query = QueryOptions(
        collection=collection, device="cpu", k=100, rerank="off", rerank_deadline_ms=0
    )
    # The set names rows of its own corpus.jsonl, so that it cannot be copied with fewer questions.
    evaluation.read_set = lambda place: first_of(read_set(place), int(num))  # type: ignore[assignment,attr-defined]
    spec = EvaluateSpec(
        set_path=given,
        query=query,
        pairs=("text->passage",),
    )
    plain, plain_s = timed(spec)
    say("no reranker", plain, plain_s)
    before: EvaluationRecord | None = None
    for form in FORMS:
        # What is no late interaction is kept in float16: the same model, as it was before.
        reranker.is_late = form.is_int8  # type: ignore[attr-defined]
        reranking._VERDICTS.clear()
        asked = replace(query, rerank=model, rerank_pool=form.pool)
        cache = TokenCache(path, reranker.fingerprint, form)
        if before is None:  # makes what lacks
            timed(replace(spec, query=asked))
            reranking._VERDICTS.clear()
        found, took_s = timed(replace(spec, query=asked))
        say(form.name, found, took_s, cache, before)
        if before is None:
            before = found
            share_tokens(path, reranker.fingerprint)
            say("change to no reranker", found, took_s, cache, plain)
    for line in max_sim_ms(path, reranker):
        print(line)


def first_of(given: EvaluationSet, num: int) -> EvaluationSet:
    """Return a set with its first questions."""
    return replace(given, asked=given.asked[:num])


def timed(spec: EvaluateSpec) -> tuple[EvaluationRecord, float]:
    """Return an evaluation and the processor's seconds a question."""
    began = time.process_time()
    found = evaluate(spec).record
    return found, (time.process_time() - began) / found.pairs[0].num_queries


def share_tokens(path: Path, fingerprint: str) -> None:
    """Code the tokens that are kept in float16 in every other form."""
    plain = TokenCache(path, fingerprint, FORMS[0])
    others = [TokenCache(path, fingerprint, form) for form in FORMS[1:]]
    for key in keys_in(plain):
        for cache in others:
            if cache.lacking([key]):
                cache.keep(plain.get([key]))


def keys_in(cache: TokenCache) -> list[str]:
    """Return the keys of all that is kept."""
    return cache._run(lambda con: [key for (key,) in con.execute("SELECT key FROM tokens")])


def max_sim_ms(path: Path, reranker: TokenReranker) -> Iterator[str]:
    """Yield what it takes to read the tokens of 50 candidates and to score them."""
    question = Side(text="what similarity laws must be obeyed by aeroelastic models")
    reranker.scores_of_tokens(question, [np.zeros((1, 8), np.float16)][:0])
    for form in FORMS:
        cache = TokenCache(path, reranker.fingerprint, form)
        keys = keys_in(cache)[:50]
        began = time.process_time()
        for _ in range(_REPEATS):
            known = cache.get(keys)
        read = time.process_time()
        for _ in range(_REPEATS):
            reranker.scores_of_tokens(question, list(known.values()))
        ended = time.process_time()
        read_ms, score_ms = (1000 * s / _REPEATS for s in (read - began, ended - read))
        yield f"{form.name}: 50 candidates read in {read_ms:.2f} ms, scored in {score_ms:.2f} ms"


def say(
    name: str,
    found: EvaluationRecord,
    took_s: float,
    cache: TokenCache | None = None,
    before: EvaluationRecord | None = None,
) -> None:
    """Print a form's figures, and how they differ from those before."""
    print(f"{name}: {1000 * took_s:,.0f} ms a question", end="")
    if cache:
        num = len(keys_in(cache))
        print(f", {cache.num_bytes / num:,.0f} bytes a passage of {num:,}", end="")
    values = found.pairs[0].measures
    print("".join(f", {each} {values[each].value:.3f}" for each in _MEASURES))
    if before:
        pair = compare(before, found).pairs[0]
        for each in _MEASURES:
            change = pair.change[each]
            print(f"    {each} {change.value:+.4f} [{change.low:+.4f}, {change.high:+.4f}]")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
