"""Open the storage room to flows: settle, verify, read and show its status."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tasks.grid import Grid
from tasks.records import Lineup, Plan
from tasks.run import Run
from tasks.storage import backfills, models, promotion
from tasks.storage import status as counts
from tasks.storage import verify as checks
from tasks.storage.audit import keep_codes
from tasks.storage.backfill_records import Backfill, PartitionRecord
from tasks.storage.backfill_tables import partition_rows, partitions_grid
from tasks.storage.collection import Collection
from tasks.storage.settling import has_work, settle_run
from tasks.task import artifact_key, collection_key, showing, stage


@stage("settle")
def settle(run: Run, plan: Plan, lineup: Lineup) -> None:
    """Write what needs no forward pass: renames, copies, deletions, refusals of discovery."""
    with run.collection.read() as con:
        if not has_work(con, plan):
            return
    with run.recorder.span("settle") as span, run.collection.write() as con:
        span.num_items = settle_run(con, run.id, plan, lineup)


@stage("update codes")
def update_codes(run: Run, lineup: Lineup) -> None:
    """Bring the codes by which large lists are searched up to date, and measure what they find."""
    with run.recorder.span("update codes") as span:
        with run.collection.read() as con:
            known = models.numbered(con, lineup)
        if known.id is not None:
            span.num_items = sum(keep_codes(run.collection, found) for found in known.all_lists)


@stage("verify")
def verify(run: Run, lineup: Lineup) -> checks.Verification:
    """Check that every source has a vector or a quarantine row, and every vector its chunk."""
    with run.recorder.span("verify") as span, run.collection.read() as con:
        # A model that was new when the run began has its number only since the first shard.
        found = checks.verify(con, run.id, models.numbered(con, lineup))
        span.num_items = found.num_sources
    return found


@stage("report partitions")
def report_partitions(run: Run, backfill: Backfill, lineup: Lineup) -> list[PartitionRecord]:
    """Count every partition as it is now; show, add to the run's report and return the rows."""
    with run.collection.write() as con:
        counted = backfills.count(con, backfill, models.numbered(con, lineup))
        backfills.enter(con, replace(backfill, counts=tuple(counted)), run.id)
        names = {count.name for count in counted}
        records = [row for row in backfills.partitions(con, backfill.id) if row.name in names]
    run.extras = {
        "backfill_id": backfill.id,
        "partitions": [asdict(row) for row in records],
        "partitions_text": partitions_grid(backfill.id, records).to_text(),
    }
    with showing():
        create_table_artifact(
            partition_rows(records),
            key=artifact_key(run, "partitions"),
            description=f"How far each partition of backfill {backfill.id} is",
        )
    return records


@stage("promote")
def promote_versions(collection: str, named: dict[str, str], allow_partial: bool) -> dict[str, Any]:
    """Make the named model versions live; show and return what they replace."""
    change = promotion.promote_in(Collection(collection), named, allow_partial=allow_partial)
    rows = [
        {"modality": m, "was": change.before.get(m, ""), "is": label, "vectors": change.vectors[m]}
        for m, label in change.after.items()
    ]
    with showing():
        create_table_artifact(
            rows,
            key=collection_key("promoted", collection),
            description="Which model version serves which modality from now on",
        )
    return asdict(change)


@stage("read status")
def read_status(collection: str) -> counts.Status:
    """Return what the collection holds and how its last runs went."""
    opened = Collection(collection)
    with opened.read() as con:
        return counts.status(con, opened)


@stage("publish status")
def publish_status(found: counts.Status, grids: list[Grid]) -> None:
    """Show the collection's tables in the Prefect UI."""
    sections = (f"## {grid.title}\n\n{grid.to_markdown()}" for grid in grids)
    with showing():
        create_markdown_artifact(
            "\n\n".join(sections),
            key=collection_key("status", found.path),
            description=f"What {found.path} holds",
        )
