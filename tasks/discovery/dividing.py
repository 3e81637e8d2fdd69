"""Turn the plan of what was selected into a backfill: counted, cut into shards, in the ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tasks.chunking.registry import fingerprints
from tasks.discovery import planning
from tasks.discovery.ledger import open_ledger
from tasks.discovery.partitions import cut_shards
from tasks.discovery.selection import Selected
from tasks.plain import printable
from tasks.records import ModelVersion, Plan
from tasks.run import Run
from tasks.storage import backfills
from tasks.storage.backfill_records import Backfill
from tasks.storage.backfill_tables import expected, expected_grid
from tasks.storage.runs import last_throughput


def divide(
    run: Run, plan: Plan, selected: Selected, model: ModelVersion, shard_size: int
) -> Backfill:
    """Return the backfill of a plan, its shards cut; a run that is recorded enters it."""
    spec = selected.spec | {"model": model.label, "fingerprint": model.fingerprint}
    backfill = Backfill(
        id=backfills.backfill_id(spec),
        spec=spec,
        names=selected.names,
        plan=plan.path,
        chunkers=tuple(fingerprints().values()),
        notices=selected.notices,
    )
    with planning.reading(run.collection) as con, open_ledger(con) as ledger:
        counts = tuple(backfills.count(ledger, backfill, model.id))
    shards = run.workdir / "portions.parquet"
    portions = cut_shards(plan.path, selected.names, shards, counts, shard_size)
    backfill = replace(backfill, counts=counts, portions=portions)
    if run.options.record:
        with run.collection.write() as con:
            backfills.enter(con, backfill, run.id)
    return backfill


def preview(run: Run, backfill: Backfill, model: ModelVersion) -> dict[str, Any]:
    """Return what is due in each partition, as plain values and as ``text``."""
    with planning.reading(run.collection) as con:
        items_per_s = last_throughput(con, model.id) if con is not None else None
    rows = expected(backfill.counts, items_per_s)
    return {
        "backfill_id": backfill.id,
        "partitions": rows,
        "notices": list(backfill.notices),
        "text": "\n\n".join([*map(printable, backfill.notices), expected_grid(rows).to_text()]),
    }
