"""Embed one shard with one Daft query: read -> decode -> forward, as operators that overlap.

Owns the query and the columns between its operators; refuses to plan, to retry a shard or to
write anything. A row that fails carries its reason to the end and costs only itself; as many rows
leave as came in, in their order.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa

from tasks.chunking.registry import Chunker, chunker_for
from tasks.embedding.operators import Item, ShardOperators
from tasks.embedding.options import EmbedOptions
from tasks.records import Span, embedded_schema

if TYPE_CHECKING:
    from tasks.embedding.encoder import Encoder

# Plain Arrow types only: Daft treats operators on its own image and tensor types differently.
_ITEM_TYPE = pa.struct(
    [
        ("uri", pa.large_string()),
        ("content_hash", pa.large_string()),
        ("size_bytes", pa.int64()),
        ("payload", pa.large_binary()),
        ("meta", pa.large_string()),
        ("stage", pa.large_string()),
        ("reason", pa.large_string()),
        ("detail", pa.large_string()),
        ("transient", pa.bool_()),
    ]
)
# Small morsels let the first forward pass start early and bound what is read ahead.
_MORSEL_ROWS = 8


def embed_shard(
    planned: pa.Table,
    encoder: Encoder,
    options: EmbedOptions,
    record: Callable[[Span], None],
    progress: Callable[[int], None],
) -> pa.Table:
    """Return one row of ``embedded_schema`` for each planned row, in the same order.

    ``planned`` holds PLAN_SCHEMA rows of images with their content hash. ``record`` and
    ``progress`` are called from several threads; progress counts rows that are through.
    """
    if planned.num_rows == 0:
        return embedded_schema(encoder.version.dim).empty_table()
    query = _ShardQuery(ShardOperators(encoder, options, record, progress))
    items = query.run(planned)
    assert [item.uri for item in items] == planned["uri"].to_pylist(), "rows were lost or moved"
    chunkers = [_chunker(media_type) for media_type in planned["media_type"].to_pylist()]
    return _to_table(items, chunkers, encoder.version.dim)


class _ShardQuery:
    """Bind the operators of one shard to Daft.

    Daft insists that what it calls can be pickled, though it runs in this process; so a query is
    pickled as its key, and found again by it.
    """

    def __init__(self, operators: ShardOperators) -> None:
        self._operators = operators
        self._key = uuid.uuid4().hex
        _OPEN[self._key] = self

    def __reduce__(self) -> tuple[Any, ...]:
        return _find_open, (self._key,)

    def run(self, planned: pa.Table) -> list[Item]:
        """Run the query and return what became of each row."""
        daft = _import_daft()
        # The larger batches start at the model: a batch of pixels is small, one of files is not.
        frame = daft.from_arrow(_to_items(planned)).into_batches(_MORSEL_ROWS)
        frame = frame.with_column("item", self._operator(daft, "read")(frame["item"]))
        frame = frame.with_column("item", self._operator(daft, "decode")(frame["item"]))
        frame = frame.into_batches(self._operators.options.batch_size)
        frame = frame.with_column("item", self._operator(daft, "forward")(frame["item"]))
        return [Item(**row) for row in frame.to_arrow()["item"].to_pylist()]

    def apply(self, operator: str, rows: pa.Array) -> pa.Array:
        """Run an operator over one batch of rows."""
        items = [Item(**row) for row in rows.to_pylist()]
        done = getattr(self._operators, operator)(items)
        # Daft would silently repeat a single row for all.
        assert len(done) == len(items), f"{operator} gave {len(done)} rows for {len(items)}"
        return pa.array([asdict(item) for item in done], type=_ITEM_TYPE)

    def _operator(self, daft: Any, name: str) -> Any:
        query = self

        def run(item: Any) -> Any:
            return daft.Series.from_arrow(query.apply(name, item.to_arrow()))

        run.__name__ = name
        run.__annotations__ = {"item": daft.Series}
        return daft.func.batch(return_dtype=daft.DataType.from_arrow_type(_ITEM_TYPE))(run)


_OPEN: WeakValueDictionary[str, _ShardQuery] = WeakValueDictionary()


def _find_open(key: str) -> _ShardQuery:
    return _OPEN[key]


def _import_daft() -> Any:
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    os.environ.setdefault("DAFT_ANALYTICS_ENABLED", "0")
    import daft

    return daft


def _to_items(planned: pa.Table) -> pa.Table:
    columns = planned.select(["uri", "content_hash", "size_bytes"]).to_pylist()
    items = [asdict(Item(**row)) for row in columns]
    return pa.table({"item": pa.array(items, type=_ITEM_TYPE)})


def _chunker(media_type: str) -> Chunker:
    chunker = chunker_for(media_type)
    assert chunker is not None, f"the plan asks to embed {media_type}, which has no chunker"
    return chunker


def _to_table(items: list[Item], chunkers: list[Chunker], dim: int) -> pa.Table:
    columns = {
        "uri": [item.uri for item in items],
        "content_hash": [item.content_hash for item in items],
        "chunker": [chunker.fingerprint for chunker in chunkers],
        "kind": [chunker.kind for chunker in chunkers],
        "ordinal": [0] * len(items),
        "meta": [item.meta for item in items],
        "vector": _vectors(items, dim),
        "stage": [item.stage for item in items],
        "reason": [item.reason for item in items],
        "detail": [item.detail for item in items],
        "transient": [item.transient for item in items],
    }
    return pa.table(columns, schema=embedded_schema(dim))


def _vectors(items: list[Item], dim: int) -> pa.Array:
    """Return the payloads as fixed-size lists; null where the item was refused."""
    missing = b"\0" * (4 * dim)
    flat = np.frombuffer(b"".join(item.payload or missing for item in items), np.float32)
    refused = pa.array([item.reason is not None for item in items])
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), dim, mask=refused)
