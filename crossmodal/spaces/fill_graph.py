"""Fill a space in which a vector depends on those of its neighbours, and only where these changed.

The edges by which each vector was computed are kept beside it: what came, went or has other edges,
and all that takes from it within the steps of the spreading, through sections too, is computed
anew, and nothing else. A fused picture depends on its own passages alone. Invariant: edges and
vectors are written in one transaction, so killed at any point the next call sees what is left to
do. All of what is computed anew is held in memory at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.many_vectors import chunk_ids_of, vectors_of_chunks
from crossmodal.ledger.sql import registered
from crossmodal.ledger.write import calibrations
from crossmodal.ledger.write.model_versions import table_of, vector_lists
from crossmodal.ledger.write.shard_writer import collect_orphans
from crossmodal.ledger.write.undo_log import noted
from crossmodal.records import Derivation, ModelVersion, VectorList
from crossmodal.spaces.edges import known_edges, near_edges, put_edges, stored_edges
from crossmodal.spaces.fusing import FUSION, Fusion
from crossmodal.spaces.graph import (
    PROPAGATION,
    Edges,
    Ints,
    Spread,
    of_length_1,
    reached,
    sources_of,
    spread,
)
from crossmodal.spaces.sage import GRAPHSAGE, own_part
from crossmodal.vectors.affine import Floats, unpack
from crossmodal.vectors.calibration.merit import hub_terms
from crossmodal.vectors.calibration.probe_bank import REVISION

_PUT = """
INSERT INTO {own} (chunk_id, run_id, v, hub) SELECT chunk_id, $run_id, v, hub FROM computed
WHERE chunk_id IN (SELECT chunk_id FROM {parent})
ON CONFLICT (chunk_id) DO UPDATE SET
    v = excluded.v, hub = excluded.hub, run_id = excluded.run_id, seq = nextval('vector_seq')
"""
KINDS = (PROPAGATION, FUSION, GRAPHSAGE)
_OWN_TEXT = 1.0
"""The weight of the edge between a picture and the passage that it belongs to."""
_GONE = "chunk_id NOT IN (SELECT chunk_id FROM {parent})"


@dataclass(frozen=True, slots=True)
class Changed:
    """Say of one list how many vectors were computed, and how many went."""

    num_computed: int = 0
    num_dropped: int = 0


@dataclass(frozen=True, slots=True)
class _Work:
    """Hold what is to be done, as the ledger stood when it was read."""

    known: Edges
    near: Edges
    renewed: Ints
    """Nodes whose edges are to be written anew, those that went included."""
    vectors: dict[str, tuple[Ints, Floats]]
    """By modality what was computed."""
    num_gone: dict[str, int]


def fill_graph(collection: Collection, version: ModelVersion, run_id: str) -> dict[str, Changed]:
    """Bring a registered space in step with its parent; return by modality what changed."""
    assert version.derived is not None
    how = _how(version.derived)
    with collection.read() as con:
        work = _planned(con, version, how)
        probes = calibrations.probes_of(con, version, REVISION)
    done = {
        modality: Changed(len(ids), work.num_gone[modality])
        for modality, (ids, _) in work.vectors.items()
    }
    if len(work.renewed) or any(done[m] != Changed() for m in done):
        with collection.write() as con:
            for held in vector_lists(version):
                _write(con, held, run_id, work.vectors[held.modality], probes)
            put_edges(con, version, work.renewed, work.known, work.near)
        _drop(collection, version, run_id)
    return done


def _planned(con: duckdb.DuckDBPyConnection, version: ModelVersion, how: Spread) -> _Work:
    assert version.derived is not None
    parent = version.derived.parent
    known = known_edges(con, parent, how.section)
    if how.fusion:
        known = known.kept((known.weights >= _OWN_TEXT) & _to_text(con, parent, known))
    known_before = stored_edges(con, version, near=False)
    near_before = stored_edges(con, version, near=True)
    now = {held.modality: chunk_ids_of(con, held) for held in vector_lists(parent)}
    own = {held.modality: chunk_ids_of(con, held) for held in vector_lists(version)}
    every, had = _all(now), _all(own)
    came, went = np.setdiff1d(every, had), np.setdiff1d(had, every)
    near = near_before
    linked = np.concatenate([near_before.nodes, near_before.neighbours])
    # What went may have gone from both tables at once, and then the edges alone remember it.
    if how.near and (len(came) or len(went) or not np.isin(linked, every).all()):
        near = near_edges(every, *_unit(con, parent, every, how), near_before, how.near)
    edges = known.joined(near)
    changed = edges.changed_since(known_before.joined(near_before))
    renewed = np.union1d(np.union1d(came, went), changed)
    moving = every if how.everything else now.get("image", came[:0])
    seeds = renewed[np.isin(renewed, every) | (renewed < 0)]
    touched = reached(edges, seeds, max(how.steps - 1, 0))
    anew = np.union1d(np.intersect1d(touched, moving), came)
    return _Work(
        known=known,
        near=near,
        renewed=renewed,
        vectors=_computed(con, parent, anew, edges, how, moving),
        num_gone={m: len(np.setdiff1d(own[m], now[m])) for m in now},
    )


def _computed(
    con: duckdb.DuckDBPyConnection,
    parent: ModelVersion,
    anew: Ints,
    edges: Edges,
    how: Spread,
    moving: Ints,
) -> dict[str, tuple[Ints, Floats]]:
    """Return by modality the vectors of these nodes; what does not move goes as a query does."""
    needed = sources_of(edges, anew, how.steps)
    read = {h.modality: vectors_of_chunks(con, h, needed) for h in vector_lists(parent)}
    sections = needed[needed < 0]
    ids = np.concatenate([sections, *(each.chunk_ids for each in read.values())])
    order = np.argsort(ids)
    parts = [each.matrix - how.mean_of(m, parent.dim) for m, each in read.items()]
    centred = np.concatenate([np.zeros((len(sections), parent.dim), np.float32), *parts])
    spreaded = spread(ids[order], centred[order], edges, how)
    if how.fusion:
        taking = np.isin(ids[order], edges.nodes)
        texts = of_length_1(spreaded[taking])
        spreaded[taking] = how.fusion(centred[order][taking], texts)
    made = {}
    for modality, each in read.items():
        wanted = np.isin(each.chunk_ids, anew)
        own = each.chunk_ids[wanted]
        mean = own_part(how.mean_of(modality, parent.dim), how.layers)
        moved = spreaded[np.searchsorted(ids[order], own)] + mean
        still = ~np.isin(own, moving)
        moved[still] = own_part(each.matrix[wanted][still], how.layers)
        made[modality] = (own, of_length_1(moved))
    return made


def _how(derived: Derivation) -> Spread:
    """Return how vectors spread; for a fusion a picture takes the mean of its texts whole."""
    maps = unpack(derived.maps)
    if derived.kind != FUSION:
        return Spread.unpacked(maps)
    return Spread(keep=0, steps=1, near=0, everything=False, fusion=Fusion.unpacked(maps))


def _to_text(
    con: duckdb.DuckDBPyConnection, parent: ModelVersion, edges: Edges
) -> npt.NDArray[np.bool_]:
    """Return (e,) which edges lead from a picture to a text."""
    texts, pictures = (chunk_ids_of(con, VectorList(parent, m)) for m in ("text", "image"))
    return np.isin(edges.nodes, pictures) & np.isin(edges.neighbours, texts)


def _unit(
    con: duckdb.DuckDBPyConnection, parent: ModelVersion, every: Ints, how: Spread
) -> tuple[Floats]:
    parts = [(held.modality, vectors_of_chunks(con, held, every)) for held in vector_lists(parent)]
    ids = np.concatenate([each.chunk_ids for _, each in parts])
    centred = np.concatenate([each.matrix - how.mean_of(m, parent.dim) for m, each in parts])
    return (of_length_1(centred[np.argsort(ids)]),)


def _write(
    con: duckdb.DuckDBPyConnection,
    held: VectorList,
    run_id: str,
    made: tuple[Ints, Floats],
    probes: Floats | None,
) -> None:
    ids, vectors = made
    if not len(ids):
        return
    assert held.version.derived is not None
    hubs = pa.nulls(len(ids), pa.float32()) if probes is None else hub_terms(vectors, probes)
    rows = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), held.version.dim)
    computed = pa.table({"chunk_id": ids, "v": rows, "hub": hubs})
    parent = table_of(VectorList(held.version.derived.parent, held.modality))
    with registered(con, computed=computed):
        con.execute(_PUT.format(own=table_of(held), parent=parent), {"run_id": run_id})


def _drop(collection: Collection, version: ModelVersion, run_id: str) -> None:
    """Let go of vectors whose parent's are gone; a chunk may have been kept by nothing else."""
    assert version.derived is not None
    with collection.write() as con, noted(con, run_id) as undo:
        for held in vector_lists(version):
            parent = table_of(VectorList(version.derived.parent, held.modality))
            gone = _GONE.format(parent=parent)
            undo.vectors(table_of(held), gone)
            con.execute(f"DELETE FROM {table_of(held)} WHERE {gone}")
        collect_orphans(con, undo)


def _all(by_modality: dict[str, Ints]) -> Ints:
    return np.unique(np.concatenate(list(by_modality.values())))
