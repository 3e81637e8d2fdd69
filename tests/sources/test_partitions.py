"""Shards of a backfill: none crosses two partitions, none is lost."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossmodal.ledger.backfill_records import Partition
from crossmodal.records import PLAN_SCHEMA, Batch
from crossmodal.sources.partitions.partitions import cut_shards
from crossmodal.sources.partitions.selection import NAMES_SCHEMA
from tests.ledger import build
from tests.sources.counts import count


def write(folder: Path, sizes: dict[str, int]) -> tuple[Path, Path]:
    """Write a plan with so many rows due in each partition, and one row that is not."""
    rows, names = [], []
    for name, num in sizes.items():
        for number in range(num):
            row = build.planned(f"/{name}/{number:03}", f"{name}{number}")
            rows.append(row)
            names.append({key: row[key] for key in NAMES_SCHEMA.names[:-1]} | {"name": name})
    rows.append(build.planned("/zz/not_due", "not due", embed=False))
    plan, named = folder / "plan.parquet", folder / "names.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=PLAN_SCHEMA), plan)
    pq.write_table(pa.Table.from_pylist(names, schema=NAMES_SCHEMA), named)
    return plan, named


@pytest.mark.parametrize("shard_size", [1, 3, 4, 100])
def test_every_row_is_in_one_shard_of_its_own_partition(tmp_path: Path, shard_size: int) -> None:
    sizes = {"a": 7, "b": 1, "d": 4}
    plan, names = write(tmp_path, sizes)
    out = tmp_path / "partitions.parquet"
    counts = [count("a", 7), count("b", 1), count("c", 0), count("d", 4)]
    partitions = cut_shards(plan, names, out, counts, shard_size)
    assert [partition.count.name for partition in partitions] == ["a", "b", "d"]
    shards = pq.ParquetFile(out)
    for partition in partitions:
        tables = [
            shards.read_row_group(i) for i in range(partition.batch.first, partition.batch.stop)
        ]
        uris = pa.concat_tables(tables)["uri"].to_pylist()
        name = partition.count.name
        assert uris == [f"/{name}/{number:03}" for number in range(sizes[name])]
        assert all(table.num_rows <= shard_size for table in tables)
    assert partitions[-1].batch.stop == shards.num_row_groups


def test_nothing_due_is_no_partition(tmp_path: Path) -> None:
    plan, names = write(tmp_path, {})
    assert cut_shards(plan, names, tmp_path / "out.parquet", [count("a", 0)], 8) == ()


def test_many_partitions_share_tasks_and_keep_their_order() -> None:
    from crossmodal.ledger.backfill_records import MAX_GROUPS, Backfill

    partitions = tuple(
        Partition(count(f"{n:04}", 1), Batch(Path("x"), n, n + 1)) for n in range(365)
    )
    backfill = Backfill(
        id="b", spec={}, names=Path("n"), plan=Path("p"), chunkers=(), partitions=partitions
    )
    groups = backfill.groups
    assert len(groups) == MAX_GROUPS
    assert tuple(partition for group in groups for partition in group.partitions) == partitions
    assert groups[0].label == "0000 to 0017"
