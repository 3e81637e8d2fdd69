"""Open the discovery room to flows: list and select sources, plan what to do, preview it."""

from __future__ import annotations

from typing import Any

from prefect.artifacts import create_markdown_artifact

from tasks.chunking.registry import fingerprints
from tasks.chunking.rules import ChunkRules
from tasks.discovery import dividing, planning, selection
from tasks.discovery.listing import Listing, list_sources
from tasks.discovery.options import ListOptions, PlanRules, Selection
from tasks.discovery.preview import preview_markdown, preview_text
from tasks.records import Lineup, Plan
from tasks.run import Run
from tasks.storage.backfill_records import Backfill
from tasks.task import artifact_key, showing, stage

NUM_PREVIEWED = 50


@stage("discover")
def discover(run: Run, paths: list[str], options: ListOptions) -> Listing:
    """List what lies below the paths into the run's manifest."""
    with run.recorder.span("discover") as span:
        manifest = run.workdir / "manifest.parquet"
        found = list_sources(paths, manifest, planning.beside(run.collection, options))
        span.num_items, span.num_bytes = found.num_found, found.bytes_found
    return found


@stage("select")
def select(run: Run, listing: Listing, wanted: Selection) -> selection.Selected:
    """Narrow the listing down to what a backfill is about."""
    with run.recorder.span("select") as span, planning.reading(run.collection) as con:
        found = selection.select(con, listing, run.workdir, wanted)
        span.num_items = found.listing.num_found
    return found


@stage("plan")
def plan_changes(
    run: Run, listing: Listing, lineup: Lineup, rules: PlanRules, chunk_rules: ChunkRules
) -> Plan:
    """Decide what to do to each source, reading only what size and time cannot judge."""
    with run.recorder.span("plan") as span:
        options = planning.plan_options(listing, lineup, rules, chunk_rules)
        plan = planning.make_plan(run, listing, options)
        span.num_items = plan.summary.num_found
    return plan


@stage("preview")
def preview(run: Run, plan: Plan, lineup: Lineup) -> dict[str, Any]:
    """Show and return what the plan will do, with the time that past throughput suggests."""
    shown = planning.preview(run, plan, lineup, NUM_PREVIEWED)
    with showing():
        create_markdown_artifact(
            preview_markdown(shown),
            key=artifact_key(run, "plan"),
            description="What the run will do",
        )
    return shown | {"text": preview_text(shown)}


@stage("divide")
def divide(
    run: Run,
    plan: Plan,
    selected: selection.Selected,
    lineup: Lineup,
    rules: PlanRules,
    chunk_rules: ChunkRules,
) -> Backfill:
    """Divide the plan into the partitions of a backfill, and enter it into the ledger."""
    with run.recorder.span("divide") as span:
        chunkers = tuple(fingerprints(chunk_rules, lineup).values())
        backfill = dividing.divide(run, plan, selected, lineup, chunkers, rules.shard_size)
        span.num_items = len(backfill.counts)
    return backfill


@stage("preview backfill")
def preview_backfill(run: Run, backfill: Backfill, lineup: Lineup) -> dict[str, Any]:
    """Show and return what is due in each partition, with the time that the past suggests."""
    shown = dividing.preview(run, backfill, lineup)
    with showing():
        create_markdown_artifact(
            shown.pop("markdown"),
            key=artifact_key(run, "plan"),
            description="What is due in each partition",
        )
    return shown
