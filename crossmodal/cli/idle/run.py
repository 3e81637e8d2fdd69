"""Index where nothing is due: a run without Prefect, in the ledger and in Prefect's history.

Owns what counts as nothing due: no source to read, embed, write or delete, no model or rule that
the collection does not know, no table to join, no saved search to compare, no token vectors to
make, no problem in the ledger. Then only the upkeep of searches is left, which mends what an
earlier run was kept from. Anything else is the flow's: it looks again, so that a file that changes
meanwhile is not lost. In doubt, and where looking twice would cost more than a start saves, the
answer is None.
"""

from __future__ import annotations

import logging
import sqlite3
import time
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crossmodal.cli.idle.history import History, PastRun, history
from crossmodal.errors import CrossmodalError

if TYPE_CHECKING:
    from crossmodal.ledger.collection import Collection
    from crossmodal.records import Lineup, Plan
    from crossmodal.runs.report import RunReport
    from crossmodal.runs.run import Run
    from flows.params.base import IndexParams

MAX_SOURCES = 50_000
"""To look at 20,000 takes 0.2 s of the processor more than to look at a few."""
_NOTHING = "Nothing was due: no stage ran as a task, and no server was started."
_LOG = logging.getLogger(__name__)


def index_idle(params: IndexParams, since_s: float | None = None) -> dict[str, Any] | None:
    """Return the report of a run that had nothing to do; None: run the flow.

    Args:
        params: what to index, and how.
        since_s: since when somebody waits for the run, in epoch seconds; None: since now.

    Raises:
        CrossmodalError: the upkeep of searches failed, and with it the run.
    """
    if params.columns or any("://" in path for path in params.paths):
        return None
    to_prefect = history("index")
    if to_prefect is None:
        return None
    from crossmodal.cli.dry_run import looking

    with looking("index", params) as look:
        try:
            found = _planned(look, params) if _is_small(look.collection) else None
        except CrossmodalError:  # the flow meets it too, and leaves a record of it
            return None
        if found is None:
            return None
        if since_s is not None:
            look.passed_before("start-up", since_s, look.started_s)
        return _recorded(look, *found, params, to_prefect)


def _is_small(collection: Collection) -> bool:
    """Say whether a look at the collection's sources costs little beside a start of Prefect."""
    if not collection.exists:
        return False
    from crossmodal.ledger.sql import one_number

    with collection.read() as con:
        return one_number(con, "SELECT count(*) FROM source") <= MAX_SOURCES


def _planned(look: Run, params: IndexParams) -> tuple[Plan, Lineup] | None:
    """Return the plan and the line-up where nothing is due."""
    from crossmodal.cli.dry_run import cutting_of, lineup_of, listed
    from crossmodal.sources.planning.make_plan import plan_options, plan_unread

    with look.recorder.span("discover") as span:
        listing = listed(look, params)
        span.num_items, span.num_bytes = listing.num_found, listing.bytes_found
    with look.recorder.span("choose models"):
        lineup = lineup_of(look, params)
    with look.recorder.span("choose rules"):
        cutting = cutting_of(look, params, lineup)
    if lineup.id is None or listing.describing or cutting.changes or not cutting.is_noted:
        return None
    with look.recorder.span("plan") as span:
        options = plan_options(listing, lineup, params.plan_rules(), cutting)
        plan = plan_unread(look, listing, options)
        span.num_items = plan.summary.num_found if plan else 0
    return (plan, lineup) if plan and _is_idle(look, plan, lineup) else None


def _is_idle(look: Run, plan: Plan, lineup: Lineup) -> bool:
    import pyarrow.parquet as pq

    from crossmodal.ledger.read.verify import verify
    from crossmodal.ledger.write.saved_searches import has_due
    from crossmodal.search.tokens.due import unfilled

    summary = plan.summary
    if plan.batches or summary.rejected or summary.withheld or pq.read_metadata(plan.path).num_rows:
        return False
    with look.recorder.span("verify") as span, look.collection.read() as con:
        found = verify(con, look.id, lineup)
        span.num_items = found.num_sources
        if found.problems or has_due(con):
            return False
    return not unfilled(look.collection)


def _recorded(
    look: Run, plan: Plan, lineup: Lineup, params: IndexParams, to_prefect: History
) -> dict[str, Any]:
    """Do the upkeep of searches and return the report of a run that is kept like any other."""
    from crossmodal.runs.run import recorded, sentence

    run = _opened(look, params)
    past = _past(run, lineup, params)
    try:
        with recorded(run, params.model_dump()):
            _keep_up(run, plan, lineup)
            final = _final(run, plan, params.min_coverage)
    except Exception as error:
        _show(to_prefect, replace(past, is_completed=False, message=sentence(error)))
        raise
    _show(to_prefect, replace(past, markdown=final.to_markdown()))
    return final.to_dict() | run.extras | {"text": final.to_text()}


def _opened(look: Run, params: IndexParams) -> Run:
    """Return a run to which the time of the look belongs, and what passed before it."""
    from crossmodal.runs.run import Run

    options = replace(params.run_options(), flow_run_id=str(uuid.uuid4()))
    run = Run(look.collection, "index", options)
    run.started_s, run.began_s = look.started_s, look.began_s
    run.notes, run.recorder = look.notes, look.recorder
    return run


def _keep_up(run: Run, plan: Plan, lineup: Lineup) -> None:
    from crossmodal.runs.settle_plan import settle_plan
    from crossmodal.search import upkeep

    settle_plan(run, plan, lineup)
    upkeep.fill_derived_spaces(run)
    upkeep.update_codes(run, lineup)
    upkeep.calibrate_scores(run, lineup)


def _final(run: Run, plan: Plan, min_coverage: float) -> RunReport:
    from crossmodal.runs.assemble import assemble_report

    final = replace(assemble_report(run, plan, [], min_coverage), state="completed")
    run.counts = final.kept()
    return final


def _past(run: Run, lineup: Lineup, params: IndexParams) -> PastRun:
    from crossmodal.views.keys import collection_key

    models = [f"model:{version.label}" for version in lineup.versions]
    return PastRun(
        id=str(run.options.flow_run_id),
        name=params.run_name,
        parameters=params.model_dump(mode="json") | dict.fromkeys(params.left_open),
        tags=[f"collection:{run.collection.path.stem}", *models],
        started_s=run.started_s,
        message=_NOTHING,
        key=collection_key("index-report", run.collection.path),
    )


def _show(to_prefect: History, past: PastRun) -> None:
    """Add the run to Prefect's history; what keeps it from there is told and costs no more."""
    try:
        to_prefect.add(replace(past, ended_s=time.time()))
    except sqlite3.Error as error:
        _LOG.warning("not shown in Prefect: %s", error)
