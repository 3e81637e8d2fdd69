"""Learn from pairs of pictures and captions: a map on stored vectors, or the towers of a model.

read and divide the pairs -> learn -> go part of the way back -> register -> fill -> report. What
comes of it is a model version beside the live one: evaluate it, then promote it. A reranker is read
from tokens, learned and written; evaluate it, then let the collection keep it.
"""

from __future__ import annotations

from typing import Any

from flows.params.finetune import FinetuneParams
from flows.params.flat import form_flow
from tasks.finetune import learn, prepare_pairs, register_learned, report_learned
from tasks.report import open_run
from tasks.reranker import RERANK, learn_order, read_tokens, report_reranker, write_reranker
from tasks.vectors import fill_derived_spaces


@form_flow("finetune", FinetuneParams)
def finetune(params: FinetuneParams) -> dict[str, Any]:
    """Learn from pairs; nothing is registered unless it is better on pairs that were held out."""
    spec = params.spec()
    with open_run("finetune", params.collection, params.model_dump(), params.run_options()) as run:
        prepared = prepare_pairs(run, spec)
        if spec.depth == RERANK:
            read = read_tokens(run, prepared, spec)
            order = learn_order(run, prepared, read, spec)
            written = write_reranker(run, prepared, read, order, spec)
            return report_reranker(run, prepared, order, written, params.curves)
        tuned = learn(run, prepared, spec)
        version = register_learned(run, prepared, tuned, spec)
        fill_derived_spaces(run)
        return report_learned(run, prepared, tuned, version, params.curves)
