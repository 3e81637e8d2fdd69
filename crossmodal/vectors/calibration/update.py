"""Bring what makes a list's scores comparable up to date with its vectors: hub terms, then table.

Owns when a list is measured again; refuses to load a model, so that a run with nothing to do loads
none: a version whose probes the ledger lacks is left as it is (see ``embedding.probes``). Vectors
are read and computed with between short transactions. Killed at any point, the next call goes on.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import duckdb
import numpy as np

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import calibrations
from crossmodal.ledger.write.calibrations import StoredTable
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList
from crossmodal.vectors.ann.reading import vector_blocks
from crossmodal.vectors.calibration import merit
from crossmodal.vectors.calibration.merit import Floats, MeritOf, Table
from crossmodal.vectors.calibration.probe_bank import REVISION

_TURN_ROWS = 65_536
_REFIT_GROWTH = 2

# The same vectors each time, whatever order they lie in, and no walk through the others.
_SAMPLE = "chunk_id IN (SELECT chunk_id FROM {table} ORDER BY hash(chunk_id) LIMIT $num)"
_TURN = "chunk_id IN (SELECT chunk_id FROM {table} WHERE hub IS NULL LIMIT $num)"


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Say what was done to a list."""

    action: str
    """current, fitted, empty, or waiting: for the probes of its version."""
    num_hubs: int = 0
    """Hub terms that were computed."""


def calibrate(collection: Collection, vectors: VectorList) -> Calibrated:
    """Compute the hub terms that a list lacks, and its table where it has none that fits.

    A table is fitted again when the list has doubled, or is half as long.

    Raises:
        CollectionBusy: a writer took too long.
    """
    with collection.read() as con:
        probes = calibrations.probes_of(con, vectors.version, REVISION)
        found = calibrations.extent(con, vectors)
        table = calibrations.stored_table(con, vectors)
    if not found.num_vectors:
        return _emptied(collection, vectors, table)
    if probes is None:
        return Calibrated("waiting")
    if found.num_without_hub:
        _fill(collection, vectors, probes, found.num_without_hub)
    if table and found.num_vectors <= _REFIT_GROWTH * table.num_vectors <= (
        _REFIT_GROWTH**2 * found.num_vectors
    ):
        return Calibrated("current", found.num_without_hub)
    _fit(collection, vectors, probes, found.num_vectors)
    return Calibrated("fitted", found.num_without_hub)


def merit_of_list(
    con: duckdb.DuckDBPyConnection, vectors: VectorList, num_vectors: int
) -> MeritOf | None:
    """Return how cosines in a list of ``num_vectors`` become merits; None where it has no table."""
    stored = calibrations.stored_table(con, vectors)
    if stored is None:
        return None
    knots = np.frombuffer(stored.knots, np.float32)
    return MeritOf(Table(**asdict(stored) | {"knots": knots}), num_vectors)


def _emptied(collection: Collection, vectors: VectorList, table: StoredTable | None) -> Calibrated:
    if table:
        with collection.write() as con:
            calibrations.drop_table(con, vectors)
    return Calibrated("empty")


def _fill(collection: Collection, vectors: VectorList, probes: Floats, num_missing: int) -> None:
    condition = _TURN.format(table=table_of(vectors))
    for _ in range(0, num_missing, _TURN_ROWS):
        with collection.read() as con:
            blocks = list(vector_blocks(con, vectors, condition, {"num": _TURN_ROWS}))
        computed = [(ids, merit.hub_terms(block, probes)) for ids, block in blocks]
        with collection.write() as con:
            for ids, hubs in computed:
                calibrations.put_hubs(con, vectors, ids, hubs)


def _fit(collection: Collection, vectors: VectorList, probes: Floats, num_vectors: int) -> None:
    condition = _SAMPLE.format(table=table_of(vectors))
    with collection.read() as con:
        blocks = list(vector_blocks(con, vectors, condition, {"num": merit.MAX_SAMPLED}))
    sample = np.concatenate([block for _, block in blocks])
    found = merit.fit(sample, merit.hub_terms(sample, probes), probes, num_vectors)
    stored = StoredTable(**asdict(found) | {"knots": found.knots.tobytes()})
    with collection.write() as con:
        calibrations.put_table(con, vectors, stored)
