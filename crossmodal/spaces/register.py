"""Register a derived space as a model version beside its parent, with its lineage.

Owns what a space is called and what tells it from others: the parent's fingerprint and the digest
of its maps. Whoever makes maps (a fit, a training) registers them here, within a transaction.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Any

import duckdb

from crossmodal.errors import CollectionEmpty, ModelMismatch
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.many_vectors import sampled_vectors
from crossmodal.ledger.write import calibrations, model_versions
from crossmodal.ledger.write.model_versions import vector_lists
from crossmodal.models.lineage import register_parent
from crossmodal.models.retire import one_version
from crossmodal.records import Derivation, ModelVersion
from crossmodal.runs.progress import NullProgress, Progress
from crossmodal.spaces.fit import FEWEST, SpaceSpec, fit_maps, spread_of
from crossmodal.spaces.graph import PROPAGATION
from crossmodal.spaces.learn_links import MAX_EPOCHS, LearnedLinks, learn_links, read_graph
from crossmodal.spaces.sage import GRAPHSAGE, query_map
from crossmodal.vectors.affine import Floats, Maps, pack
from crossmodal.vectors.calibration.probe_bank import REVISION

NUM_SAMPLED = 20_000
"""Vectors of each modality that maps are fitted to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """Say what a space is, before it is registered."""

    name: str
    parent: ModelVersion
    kind: str
    maps: Maps
    how: dict[str, Any] = field(default_factory=dict)
    """What the lineage keeps beside ``kind``: parameters, or the training that it comes from."""
    learned: LearnedLinks | None = None


def parent_of(con: duckdb.DuckDBPyConnection, spec: str) -> ModelVersion:
    """Return the version that is named; with no name the live joint one.

    Raises:
        CollectionEmpty: nothing is live yet.
        ModelMismatch: there is none of that name.
    """
    if spec:
        return one_version(con, spec)
    live = model_versions.live(con)
    if live is None:
        raise CollectionEmpty("there is no vector to derive from: run `crossmodal index PATH...`")
    return live.joint


def fitted_space(
    collection: Collection, spec: SpaceSpec, progress: Progress | None = None
) -> Space:
    """Return the space that a spec asks for, fitted to what the parent holds now.

    Raises:
        ParametersError, ExtraMissing, TrainingFailed: as ``fit_maps`` and ``learn_links`` do.
        CollectionMissing, CollectionEmpty, ModelMismatch: there is no such parent.
    """
    with collection.read() as con:
        parent = parent_of(con, spec.parent)
        samples = _samples(con, parent)
    maps = fit_maps(spec, samples)
    how: dict[str, Any] = {
        "dim": spec.dim or parent.dim,
        "num_sampled": {m: len(v) for m, v in samples.items()},
    }
    if spec.kind in (PROPAGATION, GRAPHSAGE):
        how |= {"steps": spec.steps, "near": spec.near}
        how |= {"everything": spec.everything, "centred": spec.centred}
    if spec.kind == PROPAGATION:
        how["keep"] = spec.keep
    learned = None
    if spec.kind == GRAPHSAGE:
        maps, learned = _learned(collection, parent, spec, samples, progress or NullProgress())
        how |= {"seed": spec.seed, **asdict(learned)}
    name = spec.name or f"{_short(parent)}-{spec.kind}{spec.dim or ''}"
    return Space(name=name, parent=parent, kind=spec.kind, maps=maps, how=how, learned=learned)


def _learned(
    collection: Collection,
    parent: ModelVersion,
    spec: SpaceSpec,
    samples: dict[str, Floats],
    progress: Progress,
) -> tuple[Maps, LearnedLinks]:
    """Return the weights of a GraphSAGE, and the own parts of them as maps of every modality."""
    how = spread_of(spec, samples)
    with collection.read() as con:
        graph = read_graph(con, parent, how)
    progress.start(MAX_EPOCHS, "epochs at most")
    try:
        taught, learned = learn_links(graph, how, spec.seed, lambda: progress.advance(1))
    finally:
        progress.finish()
    query = query_map(taught.layers)
    return {**taught.packed(), **dict.fromkeys(parent.encoders, query)}, learned


def register_space(con: duckdb.DuckDBPyConnection, space: Space) -> ModelVersion:
    """Return the registered version of a space; to register an equal one again changes nothing.

    Raises:
        ModelMismatch: a model that is no space has its name.
    """
    for known in model_versions.all_versions(con):
        if known.name == space.name and not known.derived:
            raise ModelMismatch(f"{space.name!r} is the name of a model: call the space otherwise")
    version = model_versions.register(con, _version(space))
    how = {"kind": "space", "space": space.kind, **space.how}
    register_parent(con, version.id or 0, space.parent.id or 0, how)
    return version


def _version(space: Space) -> ModelVersion:
    packed = pack(space.maps)
    digest = hashlib.sha256(space.parent.fingerprint.encode() + b"\0" + packed)
    matrix = next(
        (
            each.matrix
            for modality, each in space.maps.items()
            if modality in space.parent.encoders and each.matrix is not None
        ),
        None,
    )
    return ModelVersion(
        name=space.name,
        revision="space",
        weights_hash=digest.hexdigest(),
        preprocessing=space.parent.preprocessing,
        dim=space.parent.dim if matrix is None else int(matrix.shape[1]),
        dtype=space.parent.dtype,
        encoders=dict(space.parent.encoders),
        derived=Derivation(space.parent, space.kind, packed),
    )


def _samples(con: duckdb.DuckDBPyConnection, parent: ModelVersion) -> dict[str, Floats]:
    """Return vectors of each modality; where hardly a text is stored, of the probes."""
    found = {
        held.modality: sampled_vectors(con, held, NUM_SAMPLED).matrix
        for held in vector_lists(parent)
    }
    probes = calibrations.probes_of(con, parent, REVISION)
    if probes is not None and len(found.get("text", ())) < FEWEST:
        found["text"] = probes
    return found


def _short(version: ModelVersion) -> str:
    return version.name.rstrip("/").rsplit("/", 1)[-1]
