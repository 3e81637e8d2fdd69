"""Divide a backfill into partitions: what each is called, and which shards are its own.

Invariant: a shard never crosses two partitions, so that each of them can be followed, stopped and
handed to another machine by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from crossmodal.ledger.backfill_records import Partition, PartitionCount
from crossmodal.records import PLAN_SCHEMA, Batch
from crossmodal.sources.options import PartitionBy

UNDIVIDED = "all"
UNDATED = "undated"

# A single file is no folder of its own: it is in the partition of the folder that it lies in.
_BY_PREFIX = """
CASE WHEN starts_with(folder || '/', prefix) THEN
    coalesce(nullif(rtrim(prefix || array_to_string(
        string_split(substr(folder, length(prefix) + 1), '/')[1:depth], '/'), '/'), ''), '/')
ELSE folder END
"""
_BY_DATE = f"""
if(mtime_ns = 0, '{UNDATED}', strftime(make_timestamp_ns(mtime_ns), '{{format}}'))
"""
_FORMATS = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}

_DUE = """
SELECT p.* FROM read_parquet($plan) p JOIN read_parquet($names) n USING (uri)
WHERE p.embed ORDER BY n.name, p.uri
"""


def name_sql(by: PartitionBy) -> str:
    """Return the SQL that names a source's partition.

    It reads ``mtime_ns``, or ``folder`` (the source's), ``prefix`` (its root's, with a slash at
    the end) and ``depth``.
    """
    if by == "prefix":
        return _BY_PREFIX
    return f"'{UNDIVIDED}'" if by == "none" else _BY_DATE.format(format=_FORMATS[by])


def cut_shards(
    plan: Path, names: Path, out: Path, counts: Sequence[PartitionCount], shard_size: int
) -> tuple[Partition, ...]:
    """Write the rows due for a forward pass to ``out``, one row group a shard.

    Returns the partitions with work, each with the row groups that are its own.
    """
    due = [count for count in counts if count.num_due]
    sizes = [_shard_sizes(count.num_due, shard_size) for count in due]
    with duckdb.connect() as con, pq.ParquetWriter(out, PLAN_SCHEMA) as writer:
        files = {"plan": str(plan), "names": str(names)}
        found = con.sql(_DUE, params=files).to_arrow_reader(65_536)
        for shard in _cut(found, (size for part in sizes for size in part)):
            writer.write_table(shard, row_group_size=shard_size)
    partitions, first = [], 0
    for count, part in zip(due, sizes, strict=True):
        partitions.append(Partition(count, Batch(out, first, first + len(part))))
        first += len(part)
    return tuple(partitions)


def _shard_sizes(num_rows: int, shard_size: int) -> list[int]:
    whole, rest = divmod(num_rows, shard_size)
    return [shard_size] * whole + [rest] * bool(rest)


def _cut(found: Iterable[pa.RecordBatch], sizes: Iterable[int]) -> Iterator[pa.Table]:
    """Yield the rows in tables of the given sizes."""
    batches = iter(found)
    waiting = PLAN_SCHEMA.empty_table()
    for size in sizes:
        while waiting.num_rows < size:
            fresh = pa.Table.from_batches([next(batches)]).cast(PLAN_SCHEMA)
            waiting = pa.concat_tables([waiting, fresh])
        yield waiting.slice(0, size)
        waiting = waiting.slice(size)
