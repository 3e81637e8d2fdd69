"""Run a shard's query on a Ray cluster: the same operators, in the processes of its nodes.

Owns what travels there and back. A node gets the line-up and the options, never a model or an
object of the driver: it builds its operators once, loads the encoders from its own disk or cache
and keeps them from shard to shard. Rows and the time that each operator took come back together.
Files must be reachable from every node under the same uri.
"""

from __future__ import annotations

import json
import os
import pickle
import platform
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crossmodal.embedding.operators import ShardOperators
from crossmodal.embedding.rows import (
    STATES,
    EmbeddedChunk,
    PlannedSource,
    Refusal,
    State,
    arrow_type,
    from_arrow,
    to_arrow,
)
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.records import Lineup, Span

if TYPE_CHECKING:
    from crossmodal.embedding.options import EmbedOptions

_READ_ROWS = 8
_BATCH_ROWS = 32
_PARTS_PER_NODE = 4
_ROWS_PER_PART = 32
# Two parts a GPU: one is decoded while the other's batches go through the model.
_GPUS_PER_PART = 0.5
_CALL = threading.local()


@dataclass(frozen=True, slots=True)
class Request:
    """Ask for what becomes of the sources of one shard."""

    sources: list[PlannedSource]
    lineup: Lineup
    device: str
    options: EmbedOptions

    @property
    def settings(self) -> bytes:
        """Return what a node needs to build its operators."""
        return pickle.dumps((self.lineup, self.device, self.options))


def run(daft: Any, ray: Any, request: Request) -> pa.StructArray:
    """Return what became of the sources, in any order, as ``read_rows`` takes it.

    Daft gives the parts of a lost worker to another.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = 0.0
    if request.device in ("auto", "cuda") and any(node.get("GPU") for node in nodes):
        gpus = _GPUS_PER_PART
    num_nodes = sum(bool(node.get("GPU" if gpus else "CPU")) for node in nodes)
    parts = min(_PARTS_PER_NODE * num_nodes, -(-len(request.sources) // _ROWS_PER_PART))
    frame = daft.from_arrow(pa.table({"row": planned_rows(request.sources)}))
    frame = frame.into_partitions(max(parts, 1))
    settings, num_rows = request.settings, request.options.batch_size or _BATCH_ROWS
    read = _operator(daft, settings, "read", _READ_ROWS, 0)
    frame = frame.with_column("row", read(frame["row"]))
    decode = _operator(daft, settings, "decode", _READ_ROWS, 0)
    frame = frame.with_column("row", decode(frame["row"])).explode("row")
    forward = _operator(daft, settings, "forward", num_rows, gpus)
    rows: pa.StructArray = (
        frame.with_column("row", forward(frame["row"])).to_arrow()["row"].combine_chunks()
    )
    return rows


def planned_rows(sources: list[PlannedSource]) -> pa.StructArray:
    """Return sources as the first operator takes them."""
    return _with_spans(sources, PlannedSource, [""] * len(sources))


def read_rows(rows: pa.StructArray) -> tuple[list[EmbeddedChunk | Refusal], list[Span]]:
    """Return the rows and the spans that the last operator gave."""
    lines = (line for told in rows.field("spans").to_pylist() for line in told.splitlines())
    spans = [Span(**json.loads(line)) for line in lines]
    return from_arrow(rows.field("row"), EmbeddedChunk), spans


def apply(settings: bytes, operator: str, rows: pa.StructArray) -> pa.Array:
    """Run an operator over one batch of rows, in whatever process this is."""
    takes, gives = STATES[operator]
    given, told = from_arrow(rows.field("row"), takes), rows.field("spans").to_pylist()
    _CALL.spans = []
    done = getattr(_operators(settings), operator)(given)
    assert len(done) == len(given), f"{operator} gave {len(done)} rows for {len(given)}"
    told[0] += "".join(f"{json.dumps(asdict(span))}\n" for span in _CALL.spans)
    if operator != "decode":
        return _with_spans(done, gives, told)
    spread = [
        lines if row == 0 else ""
        for group, lines in zip(done, told, strict=True)
        for row in range(len(group))
    ]
    offsets = pa.array(np.cumsum([0, *map(len, done)]), pa.int64())
    flat = _with_spans([row for group in done for row in group], gives, spread)
    return pa.LargeListArray.from_arrays(offsets, flat)


def _operator(daft: Any, settings: bytes, name: str, num_rows: int, gpus: float) -> Any:
    def run(row: Any) -> Any:
        import daft

        from crossmodal.embedding.ray.query import apply

        return daft.Series.from_arrow(apply(settings, name, row.to_arrow()))

    run.__name__ = name
    run.__annotations__ = {"row": daft.Series}
    gives = _type_with_spans(STATES[name][1])
    returned = daft.DataType.from_arrow_type(pa.large_list(gives) if name == "decode" else gives)
    return daft.func.batch(return_dtype=returned, batch_size=num_rows, gpus=gpus)(run)


def _type_with_spans(state: type[State]) -> pa.StructType:
    """Return the type of a row and, as lines of JSON, of the spans that ended with it."""
    return pa.struct([("row", arrow_type(state)), ("spans", pa.large_string())])


def _with_spans(
    rows: Sequence[State | Refusal], state: type[State], spans: list[str]
) -> pa.StructArray:
    columns = [to_arrow(rows, state), pa.array(spans, pa.large_string())]
    return pa.StructArray.from_arrays(columns, fields=list(_type_with_spans(state)))


@lru_cache(maxsize=2)
def _operators(settings: bytes) -> ShardOperators:
    lineup, device, options = pickle.loads(settings)
    return ShardOperators(Encoders(lineup, device), options, _keep, None)


def _keep(span: Span) -> None:
    """Note a span of this thread, under a name that no other node's worker has."""
    worker = f"{platform.node()} {os.getpid()} {span.worker}"
    _CALL.spans.append(replace(span, worker=worker))
