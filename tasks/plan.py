"""Plan what to do to each source, divide it into partitions, and preview it."""

from __future__ import annotations

from collections.abc import Collection as Names
from dataclasses import replace
from typing import Any

from prefect.artifacts import create_markdown_artifact

from crossmodal.chunking.rules import ChunkRules
from crossmodal.ledger.backfill_records import Backfill
from crossmodal.models.lineup import require_clips
from crossmodal.recognition.required import with_recognisers
from crossmodal.records import Lineup, Plan
from crossmodal.runs.run import Run
from crossmodal.sources.listing.listing import Listing
from crossmodal.sources.options import PlanRules
from crossmodal.sources.partitions import divide as partitioning
from crossmodal.sources.partitions import selection
from crossmodal.sources.planning import make_plan
from crossmodal.sources.planning.cutting import Cutting, remember, settle_rules
from crossmodal.views.human import counted
from crossmodal.views.plan import preview_markdown, preview_text
from tasks.stage import artifact_key, showing, stage

NUM_PREVIEWED = 50


def _planned(plan: Plan) -> str:
    summary = plan.summary
    counts = ", ".join(f"{number:,} {action}" for action, number in summary.counts.items())
    refused = f", {len(summary.rejected):,} refused" if summary.rejected else ""
    return (
        f"{counted(summary.num_to_embed, 'file')} to embed ({counts or 'nothing found'}{refused})"
    )


@stage("choose rules", found=lambda cutting: "; ".join(cutting.changes) or "as before", timed=True)
def choose_rules(run: Run, lineup: Lineup, asked: ChunkRules, named: Names[str]) -> Cutting:
    """Return how sources are cut: by what is named, else as the collection remembers it."""
    found = settle_rules(run.collection, asked, named)
    require_clips(lineup, found.rules)
    rules = with_recognisers(run.collection, found.rules, keep=run.options.record)
    run.notes += found.notes
    if run.options.record:
        remember(run.collection, found)
    return replace(found, rules=rules)


@stage("plan", found=_planned)
def plan_changes(
    run: Run, listing: Listing, lineup: Lineup, rules: PlanRules, cutting: Cutting
) -> Plan:
    """Decide what to do to each source, reading only what size and time cannot judge."""
    with run.recorder.span("plan") as span:
        options = make_plan.plan_options(listing, lineup, rules, cutting)
        plan = make_plan.make_plan(run, listing, options)
        span.num_items = plan.summary.num_found
    return plan


@stage("preview", timed=True)
def preview(run: Run, plan: Plan, lineup: Lineup) -> dict[str, Any]:
    """Show and return what the plan will do, with the time that past throughput suggests."""
    shown = make_plan.preview(run, plan, lineup, NUM_PREVIEWED) | {"notes": run.notes}
    with showing():
        create_markdown_artifact(
            preview_markdown(shown),
            key=artifact_key(run, "plan"),
            description="What the run will do",
        )
    return shown | {"text": preview_text(shown)}


@stage("divide")
def divide(
    run: Run, plan: Plan, selected: selection.Selected, lineup: Lineup, rules: PlanRules
) -> Backfill:
    """Divide the plan into the partitions of a backfill, and enter it into the ledger."""
    with run.recorder.span("divide") as span:
        backfill = partitioning.divide(run, plan, selected, lineup, rules.shard_size)
        span.num_items = len(backfill.counts)
    return backfill


@stage("preview backfill", timed=True)
def preview_backfill(run: Run, backfill: Backfill, lineup: Lineup) -> dict[str, Any]:
    """Show and return what is due in each partition, with the time that the past suggests."""
    shown = partitioning.preview(run, backfill, lineup)
    with showing():
        create_markdown_artifact(
            shown.pop("markdown"),
            key=artifact_key(run, "plan"),
            description="What is due in each partition",
        )
    return shown
