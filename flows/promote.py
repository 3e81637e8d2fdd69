"""Make model versions live that were built beside the live ones, as a flow for the Prefect UI.

judge (where there is a gate) -> ask a person (where one is wanted) -> promote.
"""

from __future__ import annotations

from typing import Any

from flows.params.asking import PromoteParams
from flows.params.flat import form_flow
from tasks.decide import decision_on
from tasks.promote import judged_versions, promote_versions, proposal


@form_flow("promote", PromoteParams)
def promote(params: PromoteParams) -> dict[str, Any]:
    """Let searches use other model versions of the collection from now on."""
    judged = judged_versions(params.collection, params.named, params.gate)
    why = params.why
    if params.ask:
        figures = proposal(params.collection, params.named, params.allow_partial, judged)
        decision = decision_on(figures, params.patience_h)
        if not decision.promote:
            return {"promoted": False, "why": decision.why}
        why = decision.why or why
    return promote_versions(params.collection, params.named, params.allow_partial, why)
