"""Read vectors out of DuckDB in blocks of bounded size."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList

BLOCK_ROWS = 16_384


def vector_blocks(
    con: duckdb.DuckDBPyConnection, vectors: VectorList, condition: str, params: dict[str, Any]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (n,) int64 chunk ids and (n, dim) float32 vectors of the rows that meet a condition.

    The connection is busy until the last block was taken.
    """
    sql = f"SELECT chunk_id, v FROM {table_of(vectors)} WHERE {condition}"
    reader = con.sql(sql, params=params).to_arrow_reader(BLOCK_ROWS)
    for batch in reader:
        if batch.num_rows:
            yield batch.column("chunk_id").to_numpy(), _matrix(batch.column("v"))


def _matrix(column: pa.FixedSizeListArray) -> np.ndarray:
    """Return (n, dim) float32 without copying."""
    flat = column.flatten().to_numpy(zero_copy_only=True)
    return np.asarray(flat.reshape(len(column), column.type.list_size))
