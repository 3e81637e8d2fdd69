"""Encode the probes once a model version, and keep their vectors in the ledger.

Half a thousand short texts: seconds on two cores, while the model is loaded for something else.
Nobody holds a connection meanwhile. A model that encodes no text has no probes; its lists stay
without merit, and searches say so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from crossmodal.ledger.write import calibrations
from crossmodal.vectors.calibration.merit import Floats, hub_terms
from crossmodal.vectors.calibration.probe_bank import REVISION, probes

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    from crossmodal.encoders.encoder import Encoder
    from crossmodal.ledger.collection import Collection
    from crossmodal.records import ModelVersion, VectorList

Probes = Mapping[str, Floats]
"""By the fingerprint of a version: (p, dim) float32 unit vectors."""


def known_probes(collection: Collection, versions: Sequence[ModelVersion]) -> dict[str, Floats]:
    """Return the probes that the ledger has of these versions, which are registered."""
    with collection.read() as con:
        found = {v.fingerprint: calibrations.probes_of(con, v, REVISION) for v in versions}
    return {key: vectors for key, vectors in found.items() if vectors is not None}


def ensure_probes(
    collection: Collection,
    versions: Sequence[ModelVersion],
    load: Callable[[ModelVersion], Encoder],
) -> dict[str, Floats]:
    """Return the probes of registered versions, encoding those that the ledger lacks.

    Raises:
        ModelUnavailable, ModelMismatch: as loading does.
        CollectionBusy: a writer took too long.
    """
    found = known_probes(collection, versions)
    for version in versions:
        if version.fingerprint in found or "text" not in version.encoders:
            continue
        vectors = load(version).encode_queries(probes())
        with collection.write() as con:
            calibrations.put_probes(con, version, REVISION, vectors)
        found[version.fingerprint] = vectors
    return found


def hubs_of(tables: Mapping[VectorList, pa.Table], known: Probes) -> dict[VectorList, np.ndarray]:
    """Return the hub terms of fresh vectors by list, where the version has probes.

    ``tables`` hold rows of ``vector_schema``.
    """
    return {
        vectors: hub_terms(_matrix(table, vectors.version.dim), known[vectors.version.fingerprint])
        for vectors, table in tables.items()
        if vectors.version.fingerprint in known
    }


def _matrix(table: pa.Table, dim: int) -> Floats:
    column = table["vector"].combine_chunks()
    flat: Floats = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(-1, dim)
