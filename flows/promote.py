"""Make model versions live that were built beside the live ones, as a flow for the Prefect UI."""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.params.asking import PromoteParams
from tasks.promote import promote_versions


@flow(name="promote", flow_run_name="{params.run_name}")
def promote(params: PromoteParams) -> dict[str, Any]:
    """Let searches use other model versions of the collection from now on."""
    return promote_versions(params.collection, params.named, params.allow_partial)
