"""Tell Prefect's automations of new items that match saved searches."""

from __future__ import annotations

from prefect.runtime import flow_run

from crossmodal.runs.run import Run
from crossmodal.search.saved import NewMatches, has_saved, new_matches, note
from tasks.events import tell
from tasks.stage import stage

MAX_ITEMS = 20
"""Items that an event names; it counts all."""


def alert_saved_searches(run: Run, device: str) -> None:
    """Emit an event for each saved search that new items match; each item is told of once.

    A run whose collection has no saved search has no such stage.
    """
    if run.collection.exists and has_saved(run.collection):
        _compare(run, device)


@stage("compare saved searches")
def _compare(run: Run, device: str) -> None:
    """Compare what is new; a search that cannot be compared is a note of the run, not an error."""
    with run.recorder.span("compare saved searches") as span:
        found = new_matches(run.collection, device)
        span.num_items = len(found)
        for each in found:
            if each.hits:
                run.notes.append(f"saved search {each.search.name!r}: {_counted(each)}")
                _tell(run, each)
            if each.refusal:
                run.notes.append(f"saved search {each.search.name!r} waits: {each.refusal}")
        note(run.collection, found)


def _counted(found: NewMatches) -> str:
    num = len(found.hits)
    return f"{num} new item{'s match' if num > 1 else ' matches'}"


def _tell(run: Run, found: NewMatches) -> None:
    tell(
        run,
        "crossmodal.saved_search.matched",
        {
            "message": f"{found.search.name}: {_counted(found)}",
            "url": flow_run.get_flow_run_ui_url(),
            **found.to_dict(MAX_ITEMS),
        },
    )
