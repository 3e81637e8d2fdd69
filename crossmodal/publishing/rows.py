"""Make the rows that a store gets of those that the ledger gives."""

from __future__ import annotations

import json

import pyarrow as pa
import pyarrow.compute as pc

from crossmodal.publishing.stores.store import row_schema
from crossmodal.records import ModelVersion
from crossmodal.views.places import place_of


def sent_rows(found: pa.Table, version: ModelVersion) -> pa.Table:
    """Return rows of ``row_schema``, their chunks' places in words and their times as times."""
    schema = row_schema(version.dim)
    told = pc.divide(found["mtime_ns"], 1000)
    known = pc.if_else(pc.equal(found["mtime_ns"], 0), pa.scalar(None, pa.int64()), told)
    made = {
        "modified_at": known.cast(pa.timestamp("us", tz="UTC")),
        "place": pa.array([place_of(json.loads(meta)) for meta in found["meta"].to_pylist()]),
        "model": pa.array([version.label] * found.num_rows, pa.string()),
    }
    columns = [made[name] if name in made else found[name] for name in schema.names]
    return pa.table(
        [column.cast(field.type) for column, field in zip(columns, schema, strict=True)],
        schema=schema,
    )
