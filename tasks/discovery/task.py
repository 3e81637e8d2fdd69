"""Open the discovery room to flows: list the sources, plan what to do, preview a plan."""

from __future__ import annotations

from typing import Any

from tasks.discovery import planning
from tasks.discovery.listing import Listing, list_sources
from tasks.discovery.options import ListOptions, PlanRules
from tasks.discovery.preview import preview_text
from tasks.records import ModelVersion, Plan
from tasks.run import Run
from tasks.task import stage

NUM_PREVIEWED = 50


@stage("discover")
def discover(run: Run, paths: list[str], options: ListOptions) -> Listing:
    """List what lies below the paths into the run's manifest."""
    with run.recorder.span("discover") as span:
        manifest = run.workdir / "manifest.parquet"
        found = list_sources(paths, manifest, planning.beside(run.collection, options))
        span.num_items, span.num_bytes = found.num_found, found.bytes_found
    return found


@stage("plan")
def plan_changes(run: Run, listing: Listing, model: ModelVersion, rules: PlanRules) -> Plan:
    """Decide what to do to each source, reading only what size and time cannot judge."""
    with run.recorder.span("plan") as span:
        plan = planning.make_plan(run, listing, planning.plan_options(listing, model, rules))
        span.num_items = plan.summary.num_found
    return plan


@stage("preview")
def preview(run: Run, plan: Plan, model: ModelVersion) -> dict[str, Any]:
    """Return what the plan would do, with the time that past throughput suggests."""
    shown = planning.preview(run, plan, model, NUM_PREVIEWED)
    return shown | {"text": preview_text(shown)}
