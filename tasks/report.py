"""Open the profiling room to flows: follow a run while it works, report on it when it ends.

What is shown in the Prefect UI has keys that stay the same, so that the UI keeps its history.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal, cast
from uuid import UUID

from prefect.artifacts import (
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.runtime import flow_run

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.status import QuarantineRow, quarantine_rows
from crossmodal.ledger.read.verify import Verification
from crossmodal.records import Plan
from crossmodal.runs.assemble import assemble_report
from crossmodal.runs.comparison import compare_with_earlier
from crossmodal.runs.coverage import broken_promise
from crossmodal.runs.live_progress import LiveProgress
from crossmodal.runs.options import RunOptions
from crossmodal.runs.progress import Together
from crossmodal.runs.report import RunReport
from crossmodal.runs.run import Run, recorded, sentence
from crossmodal.views.human import printable
from tasks.before import note_before
from tasks.events import tell
from tasks.stage import artifact_key, log, showing, stage

MAX_QUARANTINE_ROWS = 200


@contextmanager
def open_run(
    flow: str, collection: str, params: dict[str, Any], options: RunOptions
) -> Iterator[Run]:
    """Yield a run that is kept in the ledger and can be followed in Prefect.

    Its progress is an artifact, and an event says that it completed or failed.
    """
    run = Run(Collection(collection), flow, replace(options, flow_run_id=flow_run.get_id()))
    note_before(run)
    run.progress = Together(
        run.progress, LiveProgress(ProgressArtifact(artifact_key(run, "progress")))
    )
    try:
        with recorded(run, params):
            yield run
    except Exception as error:
        emit_run_event(run, "failed", sentence(error))
        error.is_told = True  # type: ignore[attr-defined]
        raise
    emit_run_event(run, "completed")


def emit_run_event(run: Run, state: Literal["completed", "failed"], message: str = "") -> None:
    """Tell Prefect's automations how a run ended, with its numbers; a dry run tells nothing."""
    if not run.options.record:
        return
    tell(
        run,
        f"crossmodal.run.{state}",
        {
            "flow": run.flow,
            "flow_run_id": run.options.flow_run_id,
            "state": state,
            "message": message,
            "url": flow_run.get_flow_run_ui_url(),
            **run.counts,
        },
    )


@stage("report")
def report(
    run: Run,
    plan: Plan,
    verification: Verification,
    thumbnails: list[tuple[str, bytes]],
    min_coverage: float,
) -> dict[str, Any]:
    """Publish what the run did and return it as plain values, its text under ``text``.

    Raises:
        CoverageTooLow, DeletionWithheld, RunError: the run did not keep what it promises.
    """
    found = assemble_report(run, plan, verification.problems, min_coverage)
    error = broken_promise(found, verification.problems)
    final = replace(found, state="failed" if error else "completed", thumbnails=thumbnails)
    run.counts = final.kept()
    refused = ", ".join(f"{number} {reason}" for reason, number in final.quarantined.items())
    log("embedded %d of %d, refused: %s", final.num_embedded, final.num_planned, refused or "none")
    _show(run, final)
    plain = final.to_dict() | run.extras | {"text": final.to_text()}
    if error:
        error.report = plain
        raise error
    return plain


def _show(run: Run, final: RunReport) -> None:
    """Publish what the run did, where its time went, what is refused, and the run before it."""
    comparison = compare_with_earlier(run, final)
    with run.collection.read() as con:
        refused = quarantine_rows(con, MAX_QUARANTINE_ROWS, None)
    with showing():
        _show_markdown(run, "report", final.to_markdown(), "What the run did")
        _show_markdown(run, "stages", final.stages_markdown(), "Where the run spent its time")
        create_table_artifact(
            [_quarantine_cells(row) for row in refused],
            key=artifact_key(run, "quarantine"),
            description="What the collection refuses at present, and why",
        )
        if comparison:
            told = "The run beside the one before it"
            _show_markdown(run, "comparison", comparison.to_markdown(), told)


def _show_markdown(run: Run, what: str, markdown: str, description: str) -> None:
    create_markdown_artifact(markdown, key=artifact_key(run, what), description=description)


def _quarantine_cells(row: QuarantineRow) -> dict[str, Any]:
    return {
        "source": printable(row.place),
        "reason": row.reason,
        "detail": printable(row.detail),
        "stage": row.stage,
        "attempts": row.attempts,
        "last seen": datetime.fromtimestamp(row.last_seen_s, UTC).isoformat(" ", "minutes"),
    }


class ProgressArtifact:
    """Show progress as an artifact of the flow run: made at the first line, then updated."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._id: UUID | None = None

    def show(self, percent: float, line: str) -> None:
        """Replace what is shown."""
        with showing():
            if self._id is None:
                self._id = cast(UUID, create_progress_artifact(percent, self._key, line))
            else:
                update_progress_artifact(self._id, percent, line)
