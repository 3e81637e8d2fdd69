"""Lay out how far a backfill is: for the terminal, for the Prefect UI and as plain values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from crossmodal.ledger.backfill_records import BackfillRecord, PartitionCount, PartitionRecord
from crossmodal.ledger.write.runs import Throughput
from crossmodal.views.human import counted, human_bytes, human_seconds, printable
from crossmodal.views.text_table import TextTable

MAX_ROWS = 500
"""Partitions that a table lists one by one."""


def partitions_table(backfill_id: str, records: Sequence[PartitionRecord]) -> TextTable:
    """Return one row a partition, what is not done first."""
    ordered = sorted(records, key=lambda record: (record.state == "done", record.name))
    rows = [
        (
            r.name,
            r.state,
            f"{r.num_planned:,}",
            f"{r.num_done:,}",
            f"{r.num_failed:,}",
            f"{r.num_vectors:,}",
            human_seconds(r.wall_s) if r.wall_s else "",
        )
        for r in ordered[:MAX_ROWS]
    ]
    header = ("partition", "state", "planned", "done", "failed", "vectors", "took")
    num_done = sum(record.state == "done" for record in records)
    title = f"backfill {backfill_id}: {num_done:,} of {len(records):,} partitions done"
    return TextTable(title, header, rows, num_words=2)


def partition_rows(records: Sequence[PartitionRecord]) -> list[dict[str, Any]]:
    """Return the same for a Prefect table artifact."""
    table = partitions_table("", records)
    return [dict(zip(table.header, map(printable, row), strict=True)) for row in table.rows]


def expected(counts: Iterable[PartitionCount], pace: Throughput | None) -> list[dict[str, Any]]:
    """Return what is due in each partition, with the seconds that past throughput suggests."""
    return [
        asdict(count)
        | {
            "state": count.state,
            "eta_s": pace.seconds(count.num_due, count.bytes_due) if pace else None,
        }
        for count in counts
    ]


def expected_table(rows: Sequence[dict[str, Any]]) -> TextTable:
    """Return one row a partition with what is due there, the partitions with work first."""
    ordered = sorted(rows, key=lambda row: (not row["num_due"], row["name"]))
    cells = [
        (
            row["name"],
            f"{row['num_planned']:,}",
            f"{row['num_done']:,}",
            f"{row['num_due']:,}",
            human_bytes(row["bytes_due"]),
            _eta(row),
        )
        for row in ordered[:MAX_ROWS]
    ]
    header = ("partition", "planned", "done", "to embed", "size", "would take")
    return TextTable("what is due in each partition", header, cells)


def backfills_table(found: Sequence[BackfillRecord]) -> TextTable:
    """Return one row a backfill, newest first."""
    rows = [
        (
            b.backfill_id,
            ", ".join(b.spec["roots"]),
            _asked(b.spec),
            f"{b.num_partitions_done:,} of {b.num_partitions:,}",
            f"{b.num_done:,} of {b.num_planned:,}",
            f"{b.num_failed:,}",
        )
        for b in found
    ]
    header = ("backfill", "paths", "asked for", "partitions", "sources", "failed")
    return TextTable(counted(len(found), "backfill"), header, rows, num_words=3)


def _eta(row: dict[str, Any]) -> str:
    if not row["num_due"]:
        return ""
    return "unknown" if row["eta_s"] is None else human_seconds(row["eta_s"])


def _asked(spec: dict[str, Any]) -> str:
    """Return what was asked for in a few words: ``by month, since 2024-01-01, with clip@…``."""
    words = [f"by {spec['partition_by']}" if spec["partition_by"] != "none" else "undivided"]
    words += [f"{name} {spec[name]}" for name in ("since", "until") if spec[name]]
    words += ["listed"] * bool(spec["listed"]) + ["failed only"] * spec["only_failed"]
    return ", ".join([*words, f"with {spec['model']}"])
