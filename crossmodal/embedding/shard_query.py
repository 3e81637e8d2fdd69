"""Embed one shard with one Daft query: read -> decode -> forward, as operators that overlap.

Owns the query and the tables that leave it; refuses to plan, to retry a shard or to write
anything. What fails carries its reason to the end and costs only itself; sources leave in the order
in which they came, each with all of its chunks.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa

from crossmodal.embedding.item_columns import to_columns
from crossmodal.embedding.items import ITEM_TYPE, PLANNED_COLUMNS, Item, from_arrow
from crossmodal.embedding.operators import ShardOperators
from crossmodal.embedding.options import EmbedOptions
from crossmodal.embedding.ray.client import run_on_ray
from crossmodal.records import CHUNK_SCHEMA, Lineup, Span, VectorList, vector_schema

if TYPE_CHECKING:
    from crossmodal.encoders.lineup_encoders import Encoders


@dataclass(frozen=True, slots=True)
class EmbeddedShard:
    """Hold what became of a shard's sources."""

    cut: pa.Table
    """CHUNK_SCHEMA rows: every chunk, and every refusal."""
    vectors: dict[VectorList, pa.Table]
    """Rows of vector_schema(dim) by list."""

    @property
    def num_vectors(self) -> int:
        """Return the number of chunks that have a vector."""
        return int(self.cut["reason"].null_count)

    @property
    def num_bytes(self) -> int:
        """Return the size of all tables in memory."""
        return int(self.cut.nbytes) + sum(int(table.nbytes) for table in self.vectors.values())


def embed_shard(
    planned: pa.Table,
    encoders: Encoders,
    options: EmbedOptions,
    record: Callable[[Span], None],
    progress: Callable[[int], None],
) -> EmbeddedShard:
    """Cut and embed the sources of PLAN_SCHEMA rows, each with its content hash.

    ``record`` and ``progress`` are called from several threads; progress counts sources that are
    through.
    """
    items: list[Item] = []
    if planned.num_rows and options.runner == "ray":
        items = run_on_ray(_to_items(planned), encoders, options, record)
        progress(planned.num_rows)
    elif planned.num_rows:
        items = _ShardQuery(ShardOperators(encoders, options, record, progress)).run(planned)
    by_source = [list(group) for _, group in itertools.groupby(items, key=lambda item: item.uri)]
    uris = [group[0].uri for group in by_source]
    assert uris == planned["uri"].to_pylist(), "sources were lost or moved"
    settled = [item for group in by_source for item in _whole_or_parts(group)]
    return _to_tables(settled, encoders.lineup)


def _whole_or_parts(items: list[Item]) -> list[Item]:
    """Return a source's items; where none has a vector the source is refused as a whole."""
    if all(item.reason for item in items):
        return [replace(items[0], part="")]
    return items


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
        """Run the query and return what became of each source."""
        daft = _import_daft()
        # The larger batches start at the model: a batch of pixels is small, one of files is not.
        decode_rows = self._operators.decode_rows(planned.num_rows)
        forward_rows = self._operators.forward_rows(planned.num_rows)
        items = pa.table({"item": to_columns(_to_items(planned))})
        frame = daft.from_arrow(items).into_batches(decode_rows)
        frame = frame.with_column("item", self._operator(daft, "read", ITEM_TYPE)(frame["item"]))
        decode = self._operator(daft, "decode", pa.large_list(ITEM_TYPE))
        frame = frame.with_column("item", decode(frame["item"])).explode("item")
        frame = frame.into_batches(forward_rows)
        frame = frame.with_column("item", self._operator(daft, "forward", ITEM_TYPE)(frame["item"]))
        return from_arrow(frame.to_arrow()["item"])

    def apply(self, operator: str, rows: pa.Array) -> pa.Array:
        """Run an operator over one batch of rows."""
        items = from_arrow(rows)
        done = getattr(self._operators, operator)(items)
        # Daft would silently repeat a single row for all.
        assert len(done) == len(items), f"{operator} gave {len(done)} rows for {len(items)}"
        return _nested(done) if operator == "decode" else to_columns(done)

    def _operator(self, daft: Any, name: str, returns: pa.DataType) -> Any:
        query = self

        def run(item: Any) -> Any:
            return daft.Series.from_arrow(query.apply(name, item.to_arrow()))

        run.__name__ = name
        run.__annotations__ = {"item": daft.Series}
        return daft.func.batch(return_dtype=daft.DataType.from_arrow_type(returns))(run)


_OPEN: WeakValueDictionary[str, _ShardQuery] = WeakValueDictionary()


def _find_open(key: str) -> _ShardQuery:
    return _OPEN[key]


def _import_daft() -> Any:
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    os.environ.setdefault("DAFT_ANALYTICS_ENABLED", "0")
    import daft

    return daft


def _nested(groups: list[list[Item]]) -> pa.Array:
    offsets = pa.array(np.cumsum([0, *map(len, groups)]), pa.int64())
    flat = to_columns([item for group in groups for item in group])
    return pa.LargeListArray.from_arrays(offsets, flat)


def _to_items(planned: pa.Table) -> list[Item]:
    return [Item(**row) for row in planned.select(PLANNED_COLUMNS).to_pylist()]


def _to_tables(items: list[Item], lineup: Lineup) -> EmbeddedShard:
    columns = {name: [getattr(item, name) for item in items] for name in CHUNK_SCHEMA.names}
    alive = [item for item in items if not item.reason]
    return EmbeddedShard(pa.table(columns).cast(CHUNK_SCHEMA), dict(_vectors(alive, lineup)))


def _vectors(alive: list[Item], lineup: Lineup) -> Iterator[tuple[VectorList, pa.Table]]:
    for vectors in lineup.lists:
        rows = [(item, item.payload) for item in alive if item.modality == vectors.modality]
        yield vectors, _vector_table(rows, vectors.version.dim)
    if lineup.short_texts:
        rows = [(item, item.short_payload) for item in alive if item.short_payload]
        yield lineup.short_texts, _vector_table(rows, lineup.joint.dim)


def _vector_table(rows: list[tuple[Item, bytes | None]], dim: int) -> pa.Table:
    flat = np.frombuffer(b"".join(payload or b"" for _, payload in rows), np.float32)
    columns = {
        "content_hash": [item.content_hash for item, _ in rows],
        "chunker": [item.chunker for item, _ in rows],
        "ordinal": [item.ordinal for item, _ in rows],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), dim),
    }
    return pa.table(columns, schema=vector_schema(dim))
