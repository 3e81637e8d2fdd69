"""Embed one shard with one Daft query: read -> decode -> forward, as operators that overlap.

Owns the query and the tables that leave it; refuses to plan, to retry a shard or to write
anything. What fails carries its reason to the end and costs only itself; sources leave in the order
in which they came, each with all of its chunks.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
import pyarrow as pa

from crossmodal.embedding.operators import ShardOperators
from crossmodal.embedding.options import EmbedOptions
from crossmodal.embedding.ray.client import run_on_ray
from crossmodal.embedding.rows import (
    STATES,
    EmbeddedChunk,
    PlannedSource,
    Refusal,
    alive,
    arrow_type,
    from_arrow,
    nested_to_arrow,
    planned_sources,
    to_arrow,
)
from crossmodal.embedding.through import expected_chunks
from crossmodal.errors import CrossmodalError
from crossmodal.records import CHUNK_SCHEMA, Lineup, Span, VectorList, vector_schema
from crossmodal.runs.progress import Progress

if TYPE_CHECKING:
    from crossmodal.encoders.lineup_encoders import Encoders

_ABSENT: dict[str, Any] = {
    **{"ordinal": 0, "kind": "", "modality": "", "section": "", "text": "", "meta": "{}"},
    **{"part": ""},
}
"""What stands in a column of CHUNK_SCHEMA that the row of a refusal, or of a chunk, lacks."""


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
    progress: Progress,
) -> EmbeddedShard:
    """Cut and embed the sources of PLAN_SCHEMA rows, each with its content hash.

    ``record`` and ``progress`` are called from several threads; progress counts the
    chunks that were expected of sources that are through.

    Raises:
        CrossmodalError: a source is there twice, so that its chunks could not be told apart.
    """
    _refuse_doubled(planned)
    sources, rows = planned_sources(planned), list[EmbeddedChunk | Refusal]()
    if sources and options.runner == "ray":
        rows = run_on_ray(sources, encoders, options, record)
        progress.advance(sum(expected_chunks(s.media_type, s.size_bytes) for s in sources))
    elif sources:
        rows = _ShardQuery(ShardOperators(encoders, options, record, progress)).run(sources)
    by_source = [list(group) for _, group in itertools.groupby(rows, key=lambda row: row.uri)]
    uris = [group[0].uri for group in by_source]
    assert uris == planned["uri"].to_pylist(), "sources were lost or moved"
    settled = [row for group in by_source for row in _whole_or_parts(group)]
    return _to_tables(settled, encoders.lineup)


def _refuse_doubled(planned: pa.Table) -> None:
    times = Counter(planned["uri"].to_pylist())
    doubled = [uri for uri, num in times.items() if num > 1]
    if doubled:
        raise CrossmodalError(
            f"{len(doubled):,} sources are in one shard more than once, such as {doubled[0]} "
            f"({times[doubled[0]]} times); each may be there once: leave the others out of the plan"
        )


def _whole_or_parts(rows: list[EmbeddedChunk | Refusal]) -> list[EmbeddedChunk | Refusal]:
    """Return a source's rows; where none has a vector the source is refused as a whole."""
    if isinstance(rows[0], Refusal) and not alive(rows):
        return [replace(rows[0], part="")]
    return rows


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

    def run(self, sources: list[PlannedSource]) -> list[EmbeddedChunk | Refusal]:
        """Run the query and return what became of each source."""
        daft = _import_daft()
        # The larger batches start at the model: a batch of pixels is small, one of files is not.
        decode_rows = self._operators.decode_rows(len(sources))
        forward_rows = self._operators.forward_rows(len(sources))
        frame = daft.from_arrow(pa.table({"row": to_arrow(sources, PlannedSource)}))
        frame = frame.into_batches(decode_rows)
        frame = frame.with_column("row", self._operator(daft, "read")(frame["row"]))
        frame = frame.with_column("row", self._operator(daft, "decode")(frame["row"]))
        frame = frame.explode("row").into_batches(forward_rows)
        frame = frame.with_column("row", self._operator(daft, "forward")(frame["row"]))
        parts = frame.to_arrow()["row"].chunks
        return [row for part in parts for row in from_arrow(part, EmbeddedChunk)]

    def apply(self, operator: str, rows: pa.StructArray) -> pa.Array:
        """Run an operator over one batch of rows."""
        takes, gives = STATES[operator]
        given = from_arrow(rows, takes)
        done = getattr(self._operators, operator)(given)
        # Daft would silently repeat a single row for all.
        assert len(done) == len(given), f"{operator} gave {len(done)} rows for {len(given)}"
        return nested_to_arrow(done, gives) if operator == "decode" else to_arrow(done, gives)

    def _operator(self, daft: Any, name: str) -> Any:
        query = self

        def run(row: Any) -> Any:
            return daft.Series.from_arrow(query.apply(name, row.to_arrow()))

        run.__name__ = name
        run.__annotations__ = {"row": daft.Series}
        gives = arrow_type(STATES[name][1])
        returned = pa.large_list(gives) if name == "decode" else gives
        return daft.func.batch(return_dtype=daft.DataType.from_arrow_type(returned))(run)


_OPEN: WeakValueDictionary[str, _ShardQuery] = WeakValueDictionary()


def _find_open(key: str) -> _ShardQuery:
    return _OPEN[key]


def _import_daft() -> Any:
    os.environ.setdefault("DAFT_PROGRESS_BAR", "0")
    os.environ.setdefault("DAFT_ANALYTICS_ENABLED", "0")
    import daft

    return daft


def _to_tables(rows: list[EmbeddedChunk | Refusal], lineup: Lineup) -> EmbeddedShard:
    columns = {
        name: [getattr(row, name, _ABSENT.get(name)) for row in rows] for name in CHUNK_SCHEMA.names
    }
    return EmbeddedShard(pa.table(columns).cast(CHUNK_SCHEMA), dict(_vectors(alive(rows), lineup)))


def _vectors(chunks: list[EmbeddedChunk], lineup: Lineup) -> Iterator[tuple[VectorList, pa.Table]]:
    for vectors in lineup.lists:
        rows = [(chunk, chunk.vector) for chunk in chunks if chunk.modality == vectors.modality]
        yield vectors, _vector_table(rows, vectors.version.dim)
    if lineup.short_texts:
        rows = [(chunk, chunk.joint_vector) for chunk in chunks if chunk.joint_vector]
        yield lineup.short_texts, _vector_table(rows, lineup.joint.dim)


def _vector_table(rows: list[tuple[EmbeddedChunk, bytes]], dim: int) -> pa.Table:
    flat = np.frombuffer(b"".join(vector for _, vector in rows), np.float32)
    columns = {
        "content_hash": [chunk.content_hash for chunk, _ in rows],
        "chunker": [chunk.chunker for chunk, _ in rows],
        "ordinal": [chunk.ordinal for chunk, _ in rows],
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat), dim),
    }
    return pa.table(columns, schema=vector_schema(dim))
