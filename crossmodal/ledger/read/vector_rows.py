"""Read a whole list as Arrow rows: what each chunk is, where it lies, and its vector.

Owns the columns that leave the collection, for Python and for exported files alike. Invariant: a
chunk that no source holds any more is not among them, and the same list gives the same rows in the
same order.
"""

from __future__ import annotations

import duckdb
import pyarrow as pa

from crossmodal.ledger.sql import one_number
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList

BATCH_ROWS = 8192

_FROM = """
FROM {table} held JOIN chunk c USING (chunk_id) JOIN (
    SELECT content_hash, min(uri) AS path, coalesce(arg_min(media_type, uri), '') AS media_type,
        count(*) AS num_copies
    FROM source GROUP BY content_hash) s USING (content_hash)
"""
_ROWS = f"""
SELECT chunk_id, s.path, s.media_type, s.num_copies, c.kind, c.modality, c.ordinal, c.section,
    c.text, c.meta, held.v AS vector
{_FROM} ORDER BY chunk_id
"""


def row_schema(held: VectorList) -> pa.Schema:
    """Return the columns; ``meta`` is a JSON object, ``vector`` (dim,) float32, L2-normalised.

    The schema's own metadata name the modality and the model version.
    """
    fields = [
        ("chunk_id", pa.int64()),
        ("path", pa.string()),
        ("media_type", pa.string()),
        ("num_copies", pa.int64()),
        ("kind", pa.string()),
        ("modality", pa.string()),
        ("ordinal", pa.int32()),
        ("section", pa.string()),
        ("text", pa.string()),
        ("meta", pa.string()),
        ("vector", pa.list_(pa.float32(), held.version.dim)),
    ]
    told = {
        "crossmodal.modality": held.modality,
        "crossmodal.model": held.version.label,
        "crossmodal.space": held.version.fingerprint,
    }
    return pa.schema(fields, metadata=told)


def num_rows(con: duckdb.DuckDBPyConnection, held: VectorList) -> int:
    """Return how many rows the list gives."""
    return one_number(con, f"SELECT count(*) {_FROM.format(table=table_of(held))}")


def read_rows(con: duckdb.DuckDBPyConnection, held: VectorList) -> pa.RecordBatchReader:
    """Return the rows of ``row_schema`` by chunk id, a batch at a time; valid while con is open."""
    schema = row_schema(held)
    found = con.sql(_ROWS.format(table=table_of(held))).to_arrow_reader(BATCH_ROWS)
    batches = (_cast(batch, schema) for batch in found)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _cast(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)
