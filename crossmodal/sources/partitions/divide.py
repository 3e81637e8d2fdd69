"""Turn the plan of what was selected into a backfill: counted, cut into shards, in the ledger."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from crossmodal.ledger.backfill_records import Backfill
from crossmodal.ledger.write import backfills
from crossmodal.ledger.write.runs import Throughput, last_throughput
from crossmodal.records import Lineup, Plan
from crossmodal.runs.run import Run
from crossmodal.sources.partitions.partitions import cut_shards
from crossmodal.sources.partitions.selection import Selected
from crossmodal.sources.planning.temp_tables import open_ledger, reading
from crossmodal.views.backfills import expected, expected_table
from crossmodal.views.human import human_bytes, human_seconds, markdown_cell, printable


def divide(run: Run, plan: Plan, selected: Selected, lineup: Lineup, shard_size: int) -> Backfill:
    """Return the backfill of a plan, its shards cut; a run that is recorded enters it."""
    spec = selected.spec | {"model": lineup.label, "fingerprint": lineup.fingerprint}
    backfill = Backfill(
        id=backfills.backfill_id(spec),
        spec=spec,
        names=selected.names,
        plan=plan.path,
        chunkers=plan.chunkers,
        notices=selected.notices,
    )
    with reading(run.collection) as con, open_ledger(con) as ledger:
        counts = tuple(backfills.count(ledger, backfill, lineup))
    shards = run.workdir / "partitions.parquet"
    partitions = cut_shards(plan.path, selected.names, shards, counts, shard_size)
    backfill = replace(backfill, counts=counts, partitions=partitions)
    if run.options.record:
        with run.collection.write() as con:
            backfills.enter(con, backfill, run.id)
    return backfill


def preview(run: Run, backfill: Backfill, lineup: Lineup) -> dict[str, Any]:
    """Return what is due in each partition: plain values, ``text`` and ``markdown``."""
    with reading(run.collection) as con:
        pace = last_throughput(con, lineup.id) if con is not None else None
    rows = expected(backfill.counts, pace)
    lines = [_due(backfill, lineup, pace), *map(printable, backfill.notices)]
    table = expected_table(rows)
    return {
        "backfill_id": backfill.id,
        "model": lineup.label,
        "partitions": rows,
        "notices": list(backfill.notices),
        "text": "\n".join(lines) + "\n\n" + table.to_text(),
        "markdown": "\n\n".join([*map(markdown_cell, lines), table.to_markdown()]),
    }


def _due(backfill: Backfill, lineup: Lineup, pace: Throughput | None) -> str:
    num_due = sum(count.num_due for count in backfill.counts)
    if not num_due:
        return f"backfill {backfill.id}: nothing to embed with {lineup.label}"
    bytes_due = sum(count.bytes_due for count in backfill.counts)
    volume = human_bytes(bytes_due)
    if pace is None:
        time = "no earlier run with this model version tells how long it takes"
    else:
        due_s = pace.load_s + pace.seconds(num_due, bytes_due)
        time = f"about {human_seconds(due_s)} at the speed of the last run"
    return (
        f"backfill {backfill.id}: {num_due:,} files ({volume}) to embed with {lineup.label}, {time}"
    )
