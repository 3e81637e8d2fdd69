"""Evaluate a model version on a set of judged queries, compare it, and hold it to its gates."""

from __future__ import annotations

from typing import Any

from flows.params.evaluate import EvaluateParams
from flows.params.flat import form_flow
from tasks.evaluate import evaluate_version, publish_evaluation


@form_flow("evaluate", EvaluateParams)
def evaluate(params: EvaluateParams) -> dict[str, Any]:
    """Say how well searches answer a set; ends Failed where a gate does not hold."""
    found = evaluate_version(params.spec())
    return publish_evaluation(found, params.collection)
