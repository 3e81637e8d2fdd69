"""Stream the answer of a query into a Parquet file of exactly the schema that others expect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

_BATCH_ROWS = 65_536


def write_query(
    con: duckdb.DuckDBPyConnection,
    query: str,
    parameters: dict[str, Any],
    schema: pa.Schema,
    out: Path,
) -> int:
    """Write the rows of a query to ``out`` and return how many they are.

    DuckDB's own COPY would make every column nullable.
    """
    num_rows = 0
    rows = con.sql(query, params=parameters).to_arrow_reader(_BATCH_ROWS)
    with pq.ParquetWriter(out, schema) as writer:
        for batch in rows:
            writer.write_batch(batch.cast(schema))
            num_rows += batch.num_rows
    return num_rows
