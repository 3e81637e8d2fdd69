"""Make model versions live that were built beside the live ones, as a flow for the Prefect UI."""

from __future__ import annotations

from typing import Any

from flows.params.asking import PromoteParams
from flows.params.flat import form_flow
from tasks.promote import promote_versions, refuse_worse_versions


@form_flow("promote", PromoteParams)
def promote(params: PromoteParams) -> dict[str, Any]:
    """Let searches use other model versions of the collection from now on."""
    if params.gate:
        refuse_worse_versions(params.collection, params.named, params.gate)
    return promote_versions(params.collection, params.named, params.allow_partial, params.why)
