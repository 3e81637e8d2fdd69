"""Run a shard's query on a Ray cluster: the same operators, in the processes of its nodes.

Owns what travels there and back. A node gets the line-up and the options, never a model or this
process's objects: it builds its operators once, loads the encoders from its own disk or cache and
keeps them from shard to shard. Items and the time that each operator took come back together.
Files must be reachable from every node under the same uri.
"""

from __future__ import annotations

import json
import pickle
import threading
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from tasks.embedding.encoders import Encoders
from tasks.embedding.item_columns import to_columns
from tasks.embedding.items import ITEM_TYPE, Item, from_arrow
from tasks.embedding.operators import ShardOperators
from tasks.errors import CrossmodalError
from tasks.records import Span

if TYPE_CHECKING:
    from tasks.embedding.options import EmbedOptions

ROW_TYPE = pa.struct([("item", ITEM_TYPE), ("spans", pa.large_string())])
"""An item, and as lines of JSON the spans that ended with it."""

_ATTEMPTS = 3
_READ_ROWS = 8
_BATCH_ROWS = 32
_PARTS_PER_NODE = 4
_ROWS_PER_PART = 32
_CALL = threading.local()


def run_on_ray(
    daft: Any,
    items: list[Item],
    encoders: Encoders,
    options: EmbedOptions,
    record: Callable[[Span], None],
) -> list[Item]:
    """Return what became of the items, in their order; a lost node costs another attempt.

    The cluster is the one that RAY_ADDRESS names, else one that is started on this machine.

    Raises:
        CrossmodalError: The extra is not installed, or this process has used Daft without Ray.
    """
    ray = _connect(daft)
    settings = pickle.dumps((encoders.lineup, encoders.device, options))
    for attempt in range(_ATTEMPTS):
        try:
            rows = (
                _query(daft, ray, items, settings, options.batch_size or _BATCH_ROWS)
                .to_arrow()["row"]
                .combine_chunks()
            )
            break
        except Exception as error:  # Daft wraps what Ray raises in types of its own
            if attempt == _ATTEMPTS - 1 or not _is_lost_node(error):
                raise
            time.sleep(2**attempt)
    for lines in rows.field("spans").to_pylist():
        for line in lines.splitlines():
            record(Span(**json.loads(line)))
    place = {item.uri: number for number, item in enumerate(items)}
    return sorted(from_arrow(rows.field("item")), key=lambda item: place[item.uri])


def apply(settings: bytes, operator: str, rows: pa.Array) -> pa.Array:
    """Run an operator over one batch of rows, in whatever process this is."""
    items, told = from_arrow(rows.field("item")), rows.field("spans").to_pylist()
    _CALL.spans = []
    done = _done(_operators(settings), operator, items)
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


def _done(operators: ShardOperators, name: str, items: list[Item]) -> Any:
    """Return what an operator makes of items; the batch of a forward pass is the node's affair."""
    run = getattr(operators, name)
    if name != "forward":
        return run(items)
    size = operators.batch_rows
    batches = (items[start : start + size] for start in range(0, len(items), size))
    return [item for batch in batches for item in run(batch)]


def _query(daft: Any, ray: Any, items: list[Item], settings: bytes, batch_size: int) -> Any:
    num_nodes = sum(bool(node["Alive"]) for node in ray.nodes())
    parts = min(_PARTS_PER_NODE * num_nodes, -(-len(items) // _ROWS_PER_PART))
    table = pa.table({"row": _rows(items, [""] * len(items))})
    frame = daft.from_arrow(table).into_partitions(max(parts, 1))
    read = _operator(daft, settings, "read", ROW_TYPE, _READ_ROWS)
    frame = frame.with_column("row", read(frame["row"]))
    decode = _operator(daft, settings, "decode", pa.large_list(ROW_TYPE), _READ_ROWS)
    frame = frame.with_column("row", decode(frame["row"])).explode("row")
    forward = _operator(daft, settings, "forward", ROW_TYPE, batch_size)
    return frame.with_column("row", forward(frame["row"]))


def _operator(daft: Any, settings: bytes, name: str, returns: pa.DataType, num_rows: int) -> Any:
    def run(row: Any) -> Any:
        import daft

        from tasks.embedding.scale_out import apply

        return daft.Series.from_arrow(apply(settings, name, row.to_arrow()))

    run.__name__ = name
    run.__annotations__ = {"row": daft.Series}
    returned = daft.DataType.from_arrow_type(returns)
    return daft.func.batch(return_dtype=returned, batch_size=num_rows)(run)


def _rows(items: list[Item], spans: list[str]) -> pa.Array:
    columns = [to_columns(items), pa.array(spans, pa.large_string())]
    return pa.StructArray.from_arrays(columns, fields=list(ROW_TYPE))


@lru_cache(maxsize=2)
def _operators(settings: bytes) -> ShardOperators:
    lineup, device, options = pickle.loads(settings)
    return ShardOperators(Encoders(lineup, device), options, _keep, lambda num_items: None)


def _keep(span: Span) -> None:
    _CALL.spans.append(span)


def _connect(daft: Any) -> Any:
    try:
        import ray
    except ImportError as error:
        message = "runner ray needs the extra of that name: pip install 'crossmodal[ray]'"
        raise CrossmodalError(message) from error
    # Daft would go on as it began, without a word.
    in_use = daft.runners._get_runner()
    if in_use is not None and in_use.name != "ray":
        raise CrossmodalError("this process has used Daft without Ray before: start a new one")
    if in_use is None:
        daft.set_runner_ray()
    return ray


def _is_lost_node(error: BaseException) -> bool:
    told = f"{type(error).__name__}: {error}"
    return any(word in told for word in ("Died", "died", "Unavailable", "Lost", "NodeDied"))
