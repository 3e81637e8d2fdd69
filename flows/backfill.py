"""Fill a collection in from files that are already there, partition by partition.

discover -> select -> choose models -> plan -> divide -> embed (partition by partition, shard by
shard, each committed) -> settle -> verify -> report. What is left to do comes from the ledger's
vectors, so that the same backfill again does nothing and an interrupted one does the rest.
"""

from __future__ import annotations

from typing import Any

from flows.params.backfill import BackfillParams
from flows.params.flat import form_flow
from tasks.backfills import report_partitions
from tasks.discover import discover, select
from tasks.dispatch import dispatch, report_dispatch
from tasks.embed import embed_partitions
from tasks.health import check_health
from tasks.models import choose_models
from tasks.plan import choose_rules, divide, plan_changes, preview_backfill
from tasks.report import open_run, report
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


@form_flow("backfill", BackfillParams)
def backfill(params: BackfillParams) -> dict[str, Any]:
    """Embed the selected files in partitions that can be followed, stopped and resumed."""
    with open_run("backfill", params.collection, params.model_dump(), params.run_options()) as run:
        listing = discover(run, params.paths, params.list_options())
        selected = select(run, listing, params.selection())
        lineup = choose_models(run, params.lineup_spec(), params.dtype)
        cutting = choose_rules(run, lineup, params.chunk_rules(), params.named_rules)
        plan = plan_changes(run, selected.listing, lineup, params.plan_rules(), cutting)
        work = divide(run, plan, selected, lineup, params.plan_rules())
        expected = preview_backfill(run, work, lineup)
        if params.dry_run:
            return expected
        if params.workers == "deployments":
            lost = dispatch(run, work, params.one_partition, params.max_parallel)
            return report_dispatch(run, report_partitions(run, work, lineup), lost)
        for group in work.groups:
            embed_partitions(run, lineup, work, group, params.embed_options(cutting.rules))
        settle(run, plan, lineup)
        fill_derived_spaces(run)
        update_codes(run, lineup)
        calibrate_scores(run, lineup)
        if are_tokens_due(run):
            fill_tokens(run, params.device)
        check_health(run, lineup)
        verification = verify(run, lineup)
        thumbnails = sample_thumbnails(run, plan)
        report_partitions(run, work, lineup)
        return report(run, plan, verification, thumbnails, params.min_coverage)


@form_flow("backfill-partition", BackfillParams)
def backfill_partition(params: BackfillParams) -> dict[str, Any]:
    """Embed single partitions, for a backfill that gave them away.

    A flow of its own, since a limit on backfills must not keep one waiting for its own parts.
    """
    return dict(backfill.fn(**params.model_dump(exclude=set(params.left_open))))
