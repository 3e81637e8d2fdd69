"""Make a run's plan step by step: compare, read, judge, cut into shards and batches.

Owns the order of the steps and the files between them, so that the collection is open only while
SQL runs and never while files are read.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

from crossmodal.chunking.registry import in_charge
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write.runs import Throughput, last_throughput
from crossmodal.records import Batch, Lineup, Plan, PlanSummary
from crossmodal.runs.run import Run
from crossmodal.sources.listing.listing import Listing
from crossmodal.sources.options import ListOptions, PlanRules
from crossmodal.sources.planning import judge as plans
from crossmodal.sources.planning.content import inspect
from crossmodal.sources.planning.cutting import Cutting
from crossmodal.sources.planning.judge import Candidates, PlanOptions
from crossmodal.sources.planning.temp_tables import reading

# Tens of task runs, whatever the size: thousands would keep the Prefect server busy with itself.
MAX_BATCHES = 20


def beside(collection: Collection, options: ListOptions) -> ListOptions:
    """Return the options, leaving out the collection and its side files."""
    return replace(options, exclude=(*options.exclude, str(collection.path)))


def plan_options(
    listing: Listing, lineup: Lineup, rules: PlanRules, cutting: Cutting
) -> PlanOptions:
    """Return what a plan for this listing and this line-up is made for."""
    return PlanOptions(
        roots=listing.roots,
        chunkers=in_charge(cutting.rules, lineup),
        lineup=lineup,
        unreadable=listing.unreadable,
        rejected=listing.rejected,
        rules=rules,
        changes="; ".join(cutting.changes),
    )


def make_plan(run: Run, listing: Listing, options: PlanOptions) -> Plan:
    """Write the plan and its shards into the run's folder and return them."""
    return _planned(run, listing, options, _unjudged(run, listing, options))


def plan_unread(run: Run, listing: Listing, options: PlanOptions) -> Plan | None:
    """Return the plan where size and time judge every source, or None: something must be read."""
    unjudged = _unjudged(run, listing, options)
    return None if unjudged.num_items else _planned(run, listing, options, unjudged)


def _unjudged(run: Run, listing: Listing, options: PlanOptions) -> Candidates:
    with reading(run.collection) as con:
        return plans.candidates(con, listing.manifest, run.workdir / "candidates.parquet", options)


def _planned(run: Run, listing: Listing, options: PlanOptions, unjudged: Candidates) -> Plan:
    if unjudged.num_items:
        run.progress.start(unjudged.num_items, "reading")
    inspection = inspect(
        unjudged.path, run.workdir / "inspected.parquet", options.handles, run.progress.advance
    )
    run.progress.finish()
    path = run.workdir / "plan.parquet"
    with reading(run.collection) as con:
        summary = plans.make_plan(con, listing.manifest, inspection, path, options)
    shards = run.workdir / "shards.parquet"
    num_shards = plans.write_shards(path, shards, options.rules.shard_size)
    bounds = sorted({num_shards * i // MAX_BATCHES for i in range(MAX_BATCHES + 1)})
    batches = (Batch(shards, first, stop) for first, stop in itertools.pairwise(bounds))
    folders = tuple(root.base or root.root for root in options.roots)
    chunkers = dict.fromkeys(found.fingerprint for found in options.chunkers.values())
    return Plan(path, summary, tuple(batches), tuple(chunkers), folders)


def preview(run: Run, plan: Plan, lineup: Lineup, limit: int) -> dict[str, Any]:
    """Return the plan's counts, its first rows, and the seconds that past throughput suggests."""
    with reading(run.collection) as con:
        pace = last_throughput(con, lineup.id) if con is not None else None
    summary = plan.summary
    return {
        "dry_run": True,
        "model": lineup.label,
        "counts": summary.counts,
        "num_found": summary.num_found,
        "num_to_embed": summary.num_to_embed,
        "bytes_to_embed": summary.bytes_to_embed,
        "eta_s": _eta_s(summary, pace),
        "withheld": summary.withheld,
        "rejected": [rejected.uri for rejected in summary.rejected],
        "plan": plans.preview(plan.path, limit),
    }


def _eta_s(summary: PlanSummary, pace: Throughput | None) -> float | None:
    """Return the seconds to load the models and embed, as the last run did; None: unknown."""
    if pace is None:
        return None
    if not summary.num_to_embed:
        return 0.0
    return pace.load_s + pace.seconds(summary.num_to_embed, summary.bytes_to_embed)
