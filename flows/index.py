"""Bring a collection in step with folders and buckets of files: the main job.

discover -> choose models and rules -> plan -> embed (shard by shard, each committed) -> settle ->
join the user's own columns -> calibrate -> check health -> compare saved searches -> verify ->
report. What is already
embedded is never embedded again; the ledger decides, not a cache.
"""

from __future__ import annotations

from typing import Any

from flows.params.base import IndexParams
from flows.params.flat import form_flow
from tasks.columns import join_columns, join_described, read_columns
from tasks.discover import discover
from tasks.embed import embed
from tasks.health import check_health
from tasks.models import choose_models
from tasks.plan import choose_rules, plan_changes, preview
from tasks.report import open_run, report
from tasks.saved import alert_saved_searches
from tasks.settle import settle
from tasks.thumbnails import sample_thumbnails
from tasks.vectors import (
    are_tokens_due,
    calibrate_scores,
    fill_derived_spaces,
    fill_tokens,
    update_codes,
)
from tasks.verify import verify


@form_flow("index", IndexParams)
def index(params: IndexParams) -> dict[str, Any]:
    """Index files into a collection, doing only what changed since the last run."""
    with open_run("index", params.collection, params.model_dump(), params.run_options()) as run:
        columns = read_columns(run, params.columns) if params.columns else []
        listing = discover(run, params.paths, params.list_options())
        lineup = choose_models(run, params.lineup_spec(), params.dtype)
        cutting = choose_rules(run, lineup, params.chunk_rules(), params.named_rules)
        plan = plan_changes(run, listing, lineup, params.plan_rules(), cutting)
        expected = preview(run, plan, lineup)
        if params.dry_run:
            return expected
        for batch in plan.batches:
            embed(run, lineup, batch, params.embed_options(cutting.rules))
        settle(run, plan, lineup)
        if params.columns:
            join_columns(run, params.columns, columns)
        if listing.describing:
            join_described(run, listing)
        fill_derived_spaces(run)
        update_codes(run, lineup)
        calibrate_scores(run, lineup)
        if are_tokens_due(run):
            fill_tokens(run, params.device)
        check_health(run, lineup)
        alert_saved_searches(run, params.device)
        verification = verify(run, lineup)
        thumbnails = sample_thumbnails(run, plan)
        return report(run, plan, verification, thumbnails, params.min_coverage)
