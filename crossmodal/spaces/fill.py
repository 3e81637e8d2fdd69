"""Fill derived spaces from their parents' vectors, in blocks, and only for what changed.

Owns the way from one table to the other; loads no model. A vector of a chunk never changes, so what
is to be done is what one table has and the other has not: the ledger says it, no watermark does.
Invariant: one transaction a block; killed at any point, the next call does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.sql import one_number, registered
from crossmodal.ledger.write import calibrations, model_versions
from crossmodal.ledger.write.model_versions import table_of, vector_lists
from crossmodal.ledger.write.shard_writer import collect_orphans
from crossmodal.ledger.write.undo_log import noted
from crossmodal.records import ModelVersion, VectorList
from crossmodal.spaces.fill_graph import KINDS as GRAPH_KINDS
from crossmodal.spaces.fill_graph import fill_graph
from crossmodal.vectors.affine import Floats, apply, unpack
from crossmodal.vectors.ann.reading import vector_blocks
from crossmodal.vectors.calibration.merit import hub_terms
from crossmodal.vectors.calibration.probe_bank import REVISION
from crossmodal.vectors.calibration.update import calibrate

_TURN_ROWS = 65_536

_MISSING = """
SELECT chunk_id FROM {parent} WHERE chunk_id NOT IN (SELECT chunk_id FROM {own}) ORDER BY chunk_id
"""
_GONE = "chunk_id NOT IN (SELECT chunk_id FROM {parent})"
# The bounds let DuckDB pass over what lies elsewhere in the table.
_TURN = """
chunk_id BETWEEN $low AND $high AND chunk_id NOT IN
    (SELECT chunk_id FROM {own} WHERE chunk_id BETWEEN $low AND $high)
"""
_ADD = """
INSERT INTO {own} (chunk_id, run_id, v, hub)
SELECT chunk_id, $run_id, v, hub FROM computed
WHERE chunk_id NOT IN (SELECT chunk_id FROM {own} WHERE chunk_id BETWEEN $low AND $high)
    AND chunk_id IN (SELECT chunk_id FROM {parent} WHERE chunk_id BETWEEN $low AND $high)
"""

Tick = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Filled:
    """Say what was done to a space."""

    num_added: int = 0
    num_dropped: int = 0


def fill_spaces(collection: Collection, run_id: str, tick: Tick = lambda num: None) -> int:
    """Bring every derived space in step with its parent; return how many vectors that took.

    A space of a space comes after its parent. With no derived space it costs one look.

    Raises:
        CollectionBusy: a writer took too long.
    """
    with collection.read() as con:
        derived = [version for version in model_versions.all_versions(con) if version.derived]
    filled = [fill(collection, version, run_id, tick) for version in derived]
    return sum(done.num_added + done.num_dropped for done in filled)


def fill(
    collection: Collection, version: ModelVersion, run_id: str, tick: Tick = lambda num: None
) -> Filled:
    """Bring one registered space in step with its parent, then make its scores comparable.

    Codes are for spaces that are live, and index and backfill build them: until then searches of a
    space are exact.
    """
    ensure_derived_probes(collection, version)
    if version.derived and version.derived.kind in GRAPH_KINDS:
        changed_by = fill_graph(collection, version, run_id)
        done = [Filled(*astuple(changed_by[held.modality])) for held in vector_lists(version)]
        tick(sum(each.num_added for each in done))
    else:
        done = [_fill_list(collection, held, run_id, tick) for held in vector_lists(version)]
    for held, changed in zip(vector_lists(version), done, strict=True):
        if changed != Filled():
            calibrate(collection, held)
    return Filled(sum(d.num_added for d in done), sum(d.num_dropped for d in done))


def ensure_derived_probes(collection: Collection, version: ModelVersion) -> None:
    """Derive the probes of a space from its parent's, where the ledger has those."""
    assert version.derived is not None, f"{version.label} is derived from nothing"
    with collection.read() as con:
        if calibrations.has_probes(con, version, REVISION):
            return
        of_parent = calibrations.probes_of(con, version.derived.parent, REVISION)
    if of_parent is not None:
        probes = apply(unpack(version.derived.maps), "text", of_parent)
        with collection.write() as con:
            calibrations.put_probes(con, version, REVISION, probes)


def _fill_list(collection: Collection, held: VectorList, run_id: str, tick: Tick) -> Filled:
    parent = _parent_of(held)
    names = {"own": table_of(held), "parent": table_of(parent)}
    with collection.read() as con:
        missing = _ids(con, _MISSING.format(**names))
        gone = f"FROM {names['own']} WHERE {_GONE.format(**names)}"
        num_gone = one_number(con, f"SELECT count(*) {gone}")
        probes = calibrations.probes_of(con, held.version, REVISION)
    if num_gone:
        with collection.write() as con, noted(con, run_id) as undo:
            undo.vectors(names["own"], _GONE.format(**names))
            con.execute(f"DELETE {gone}")
            collect_orphans(con, undo)  # the vector may have been all that kept its chunk
    for start in range(0, len(missing), _TURN_ROWS):
        turn = missing[start : start + _TURN_ROWS]
        _fill_turn(collection, held, (int(turn[0]), int(turn[-1])), run_id, probes)
        tick(len(turn))
    return Filled(len(missing), num_gone)


def _fill_turn(
    collection: Collection,
    held: VectorList,
    between: tuple[int, int],
    run_id: str,
    probes: Floats | None,
) -> None:
    parent = _parent_of(held)
    names = {"own": table_of(held), "parent": table_of(parent)}
    bounds = dict(zip(("low", "high"), between, strict=True))
    with collection.read() as con:
        blocks = list(vector_blocks(con, parent, _TURN.format(**names), bounds))
    computed = pa.concat_tables(
        [_computed(held, ids, vectors, probes) for ids, vectors in blocks] or [_nothing(held)]
    )
    with collection.write() as con, registered(con, computed=computed):
        con.execute(_ADD.format(**names), {"run_id": run_id, **bounds})


def _computed(
    held: VectorList, ids: npt.NDArray[np.int64], vectors: Floats, probes: Floats | None
) -> pa.Table:
    assert held.version.derived is not None
    made = apply(unpack(held.version.derived.maps), held.modality, vectors)
    hubs = pa.nulls(len(ids), pa.float32()) if probes is None else pa.array(hub_terms(made, probes))
    flat = pa.array(np.ascontiguousarray(made).ravel())
    rows = pa.FixedSizeListArray.from_arrays(flat, held.version.dim)
    return pa.table({"chunk_id": ids, "v": rows, "hub": hubs})


def _nothing(held: VectorList) -> pa.Table:
    none = np.zeros((0, held.version.derived.parent.dim if held.version.derived else 0), np.float32)
    return _computed(held, np.zeros(0, np.int64), none, None)


def _parent_of(held: VectorList) -> VectorList:
    assert held.version.derived is not None, f"{held.version.label} is derived from nothing"
    return VectorList(held.version.derived.parent, held.modality)


def _ids(con: duckdb.DuckDBPyConnection, sql: str) -> npt.NDArray[np.int64]:
    return np.asarray(con.execute(sql).fetchnumpy()["chunk_id"], np.int64)
