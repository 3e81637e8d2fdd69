"""Report how far each partition of a backfill is."""

from __future__ import annotations

import time
from dataclasses import asdict, replace

from prefect.artifacts import create_table_artifact

from crossmodal.ledger.backfill_records import Backfill, PartitionRecord
from crossmodal.ledger.write import backfills, model_versions
from crossmodal.records import Lineup
from crossmodal.runs.run import Run
from crossmodal.views.backfills import partition_rows, partitions_table
from tasks.stage import artifact_key, showing, stage


@stage("report partitions", timed=True)
def report_partitions(run: Run, backfill: Backfill, lineup: Lineup) -> list[PartitionRecord]:
    """Count every partition as it is now; show, add to the run's report and return the rows."""
    with run.collection.write() as con:
        counted = backfills.count(con, backfill, model_versions.numbered(con, lineup))
        backfills.enter(con, replace(backfill, counts=tuple(counted)), run.id)
        backfills.take_run_time(con, backfill, run.id, time.time() - run.began_s)
        names = {count.name for count in counted}
        records = [row for row in backfills.partitions(con, backfill.id) if row.name in names]
    run.extras = {
        "backfill_id": backfill.id,
        "partitions": [asdict(row) for row in records],
        "partitions_text": partitions_table(backfill.id, records).to_text(),
    }
    with showing():
        create_table_artifact(
            partition_rows(records),
            key=artifact_key(run, "partitions"),
            description=f"How far each partition of backfill {backfill.id} is",
        )
    return records
