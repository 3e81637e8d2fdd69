"""Make the count of a partition with so much due."""

from __future__ import annotations

from crossmodal.ledger.backfill_records import PartitionCount


def count(name: str, num_due: int) -> PartitionCount:
    return PartitionCount(
        name=name,
        num_planned=num_due,
        num_done=0,
        num_failed=0,
        num_vectors=0,
        num_due=num_due,
        bytes_due=num_due * 100,
    )
