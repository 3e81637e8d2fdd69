"""Bring a collection in step with folders and buckets of files: the main job.

discover -> choose models -> plan -> embed (shard by shard, each committed) -> settle -> verify ->
report. What is already embedded is never embedded again; the ledger decides, not a cache.
"""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.parameters import IndexParams
from tasks.discovery.task import discover, plan_changes, preview
from tasks.embedding.task import choose_models, embed
from tasks.profiling.task import open_run, report
from tasks.retrieval.task import sample_thumbnails
from tasks.storage.task import settle, update_codes, verify


@flow(name="index", flow_run_name="{params.run_name}")
def index(params: IndexParams) -> dict[str, Any]:
    """Index files into a collection, doing only what changed since the last run."""
    with open_run("index", params.collection, params.model_dump(), params.run_options()) as run:
        listing = discover(run, params.paths, params.list_options())
        lineup = choose_models(run, params.lineup_spec(), params.dtype)
        plan = plan_changes(run, listing, lineup, params.plan_rules(), params.chunk_rules())
        expected = preview(run, plan, lineup)
        if params.dry_run:
            return expected
        for batch in plan.batches:
            embed(run, lineup, batch, params.embed_options())
        settle(run, plan, lineup)
        update_codes(run, lineup)
        verification = verify(run, lineup)
        thumbnails = sample_thumbnails(run, plan)
        return report(run, plan, verification, thumbnails, params.min_coverage)
