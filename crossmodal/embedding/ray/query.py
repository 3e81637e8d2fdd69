"""Run a shard's query on a Ray cluster: the same operators, in the processes of its nodes.

Owns what travels there and back. A node gets the line-up and the options, never a model or an
object of the driver: it builds its operators once, loads the encoders from its own disk or cache
and keeps them from shard to shard. Items and the time that each operator took come back together.
Files must be reachable from every node under the same uri.
"""

from __future__ import annotations

import json
import os
import pickle
import platform
import threading
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from crossmodal.embedding.item_columns import to_columns
from crossmodal.embedding.items import ITEM_TYPE, Item, from_arrow
from crossmodal.embedding.operators import ShardOperators
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.records import Lineup, Span

if TYPE_CHECKING:
    from crossmodal.embedding.options import EmbedOptions

ROW_TYPE = pa.struct([("item", ITEM_TYPE), ("spans", pa.large_string())])
"""An item, and as lines of JSON the spans that ended with it."""

_READ_ROWS = 8
_BATCH_ROWS = 32
_PARTS_PER_NODE = 4
_ROWS_PER_PART = 32
# Two parts a GPU: one is decoded while the other's batches go through the model.
_GPUS_PER_PART = 0.5
_CALL = threading.local()


@dataclass(frozen=True, slots=True)
class Request:
    """Ask for what becomes of the items of one shard."""

    items: list[Item]
    lineup: Lineup
    device: str
    options: EmbedOptions

    @property
    def settings(self) -> bytes:
        """Return what a node needs to build its operators."""
        return pickle.dumps((self.lineup, self.device, self.options))


def run(daft: Any, ray: Any, request: Request) -> pa.StructArray:
    """Return rows of ROW_TYPE, in any order; Daft gives the parts of a lost worker to another."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = 0.0
    if request.device in ("auto", "cuda") and any(node.get("GPU") for node in nodes):
        gpus = _GPUS_PER_PART
    num_nodes = sum(bool(node.get("GPU" if gpus else "CPU")) for node in nodes)
    parts = min(_PARTS_PER_NODE * num_nodes, -(-len(request.items) // _ROWS_PER_PART))
    table = pa.table({"row": _rows(request.items, [""] * len(request.items))})
    frame = daft.from_arrow(table).into_partitions(max(parts, 1))
    settings, num_rows = request.settings, request.options.batch_size or _BATCH_ROWS
    read = _operator(daft, settings, "read", ROW_TYPE, _READ_ROWS, 0)
    frame = frame.with_column("row", read(frame["row"]))
    decode = _operator(daft, settings, "decode", pa.large_list(ROW_TYPE), _READ_ROWS, 0)
    frame = frame.with_column("row", decode(frame["row"])).explode("row")
    forward = _operator(daft, settings, "forward", ROW_TYPE, num_rows, gpus)
    rows: pa.StructArray = (
        frame.with_column("row", forward(frame["row"])).to_arrow()["row"].combine_chunks()
    )
    return rows


def read_rows(rows: pa.StructArray) -> tuple[list[Item], list[Span]]:
    """Return the items and the spans that rows of ROW_TYPE hold."""
    lines = (line for told in rows.field("spans").to_pylist() for line in told.splitlines())
    return from_arrow(rows.field("item")), [Span(**json.loads(line)) for line in lines]


def apply(settings: bytes, operator: str, rows: pa.Array) -> pa.Array:
    """Run an operator over one batch of rows, in whatever process this is."""
    items, told = from_arrow(rows.field("item")), rows.field("spans").to_pylist()
    _CALL.spans = []
    done = getattr(_operators(settings), operator)(items)
    assert len(done) == len(items), f"{operator} gave {len(done)} rows for {len(items)}"
    new = "".join(f"{json.dumps(asdict(span))}\n" for span in _CALL.spans)
    told[0] += new
    if operator != "decode":
        return _rows(done, told)
    spread = [
        lines if row == 0 else ""
        for group, lines in zip(done, told, strict=True)
        for row in range(len(group))
    ]
    offsets = pa.array(np.cumsum([0, *map(len, done)]), pa.int64())
    flat = _rows([item for group in done for item in group], spread)
    return pa.LargeListArray.from_arrays(offsets, flat)


def _operator(
    daft: Any, settings: bytes, name: str, returns: pa.DataType, num_rows: int, gpus: float
) -> Any:
    def run(row: Any) -> Any:
        import daft

        from crossmodal.embedding.ray.query import apply

        return daft.Series.from_arrow(apply(settings, name, row.to_arrow()))

    run.__name__ = name
    run.__annotations__ = {"row": daft.Series}
    returned = daft.DataType.from_arrow_type(returns)
    return daft.func.batch(return_dtype=returned, batch_size=num_rows, gpus=gpus)(run)


def _rows(items: list[Item], spans: list[str]) -> pa.Array:
    columns = [to_columns(items), pa.array(spans, pa.large_string())]
    return pa.StructArray.from_arrays(columns, fields=list(ROW_TYPE))


@lru_cache(maxsize=2)
def _operators(settings: bytes) -> ShardOperators:
    lineup, device, options = pickle.loads(settings)
    return ShardOperators(Encoders(lineup, device), options, _keep, lambda num_items: None)


def _keep(span: Span) -> None:
    """Note a span of this thread, under a name that no other node's worker has."""
    worker = f"{platform.node()} {os.getpid()} {span.worker}"
    _CALL.spans.append(replace(span, worker=worker))
