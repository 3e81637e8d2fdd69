"""List sources, and select those that a backfill is about."""

from __future__ import annotations

from crossmodal.runs.run import Run
from crossmodal.sources.listing.listing import Listing, list_sources
from crossmodal.sources.options import ListOptions, Selection
from crossmodal.sources.partitions import selection
from crossmodal.sources.planning import make_plan
from crossmodal.sources.planning.temp_tables import reading
from crossmodal.views.human import counted
from tasks.stage import stage


@stage("discover", found=lambda listing: f"{counted(listing.num_found, 'file')} found")
def discover(run: Run, paths: list[str], options: ListOptions) -> Listing:
    """List what lies below the paths into the run's manifest."""
    with run.recorder.span("discover") as span:
        manifest = run.workdir / "manifest.parquet"
        found = list_sources(paths, manifest, make_plan.beside(run.collection, options))
        span.num_items, span.num_bytes = found.num_found, found.bytes_found
    run.notes += found.notes
    return found


@stage("select", found=lambda chosen: f"{counted(chosen.listing.num_found, 'file')} selected")
def select(run: Run, listing: Listing, wanted: Selection) -> selection.Selected:
    """Narrow the listing down to what a backfill is about."""
    with run.recorder.span("select") as span, reading(run.collection) as con:
        found = selection.select(con, listing, run.workdir, wanted)
        span.num_items = found.listing.num_found
    return found
