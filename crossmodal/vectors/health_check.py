"""Look at the vectors that a run added, list by list, and keep what was found.

Fresh vectors are held against those of the same folders from sound runs before: a new folder drifts
by itself, which is no fault. Nothing is held open while the arithmetic goes on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import duckdb
import numpy as np

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import health as kept
from crossmodal.ledger.write.health import HealthRow
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList
from crossmodal.vectors.ann.reading import vector_blocks
from crossmodal.vectors.health import (
    MAX_SAMPLED,
    MIN_VECTORS,
    Counts,
    Floats,
    drift_of,
    findings_of,
    shape_of,
)

# A few of each content, so that a film of a thousand frames is one voice among many.
_DRAW = """
CREATE OR REPLACE TEMP TABLE drawn AS
WITH placed AS (
    SELECT v.chunk_id, v.run_id = $run_id AS is_fresh, c.content_hash, (
        SELECT regexp_replace(min(s.uri), '/[^/]*$', '') FROM source s
        WHERE s.content_hash = c.content_hash) AS folder
    FROM {table} v JOIN chunk c USING (chunk_id)
    WHERE v.run_id NOT IN (
        SELECT run_id FROM health
        WHERE model_version_id = $version AND modality = $modality AND len(findings) > 0
            AND run_id <> $run_id)),
few AS (
    SELECT * FROM placed
    QUALIFY row_number() OVER (
        PARTITION BY is_fresh, content_hash ORDER BY hash(chunk_id)) <= $each),
held AS (
    SELECT folder, count(*) FILTER (is_fresh) AS fresh, count(*) FILTER (NOT is_fresh) AS known
    FROM few GROUP BY folder)
SELECT f.chunk_id, f.is_fresh, h.known >= h.fresh AS is_known_folder
FROM few f JOIN held h USING (folder) WHERE h.fresh > 0 AND (f.is_fresh OR h.known >= h.fresh)
QUALIFY f.is_fresh OR row_number() OVER (
    PARTITION BY f.folder, f.is_fresh ORDER BY hash(f.chunk_id)) <= 2 * h.fresh
"""
_DRAWN = "chunk_id IN (SELECT chunk_id FROM drawn WHERE {which} ORDER BY hash(chunk_id) LIMIT $num)"
_EACH = 4


@dataclass(frozen=True, slots=True)
class Samples:
    """Hold what is looked at of a list: fresh vectors, and those that they are held against."""

    fresh: Floats
    at_home: Floats
    """Fresh ones of folders of which the list has as many from sound runs before."""
    known: Floats
    """From these runs and folders, the same at every look."""


def check_lists(
    collection: Collection, lists: Iterable[VectorList], run_id: str
) -> list[HealthRow]:
    """Return what was found of each list that the run added to; keeps it in the ledger.

    Raises:
        CollectionBusy: a writer took too long.
    """
    rows = (check_list(collection, held, run_id) for held in lists)
    return [row for row in rows if row is not None]


def check_list(collection: Collection, held: VectorList, run_id: str) -> HealthRow | None:
    """Return what was found of one list; None where the run added nothing to it."""
    with collection.read() as con:
        counts = Counts(**kept.fresh_counts(con, held, run_id))
        if not counts.num_vectors:
            return None
        samples = _samples(con, held, run_id)
    row = _judged(held, run_id, counts, samples)
    with collection.write() as con:
        kept.put_health(con, held, row)
    return row


def _samples(con: duckdb.DuckDBPyConnection, held: VectorList, run_id: str) -> Samples:
    ids = {"run_id": run_id, "version": held.version.id, "modality": held.modality, "each": _EACH}
    con.execute(_DRAW.format(table=table_of(held)), ids)
    return Samples(
        fresh=_drawn(con, held, "is_fresh"),
        at_home=_drawn(con, held, "is_fresh AND is_known_folder"),
        known=_drawn(con, held, "NOT is_fresh"),
    )


def _drawn(con: duckdb.DuckDBPyConnection, held: VectorList, which: str) -> Floats:
    blocks = vector_blocks(con, held, _DRAWN.format(which=which), {"num": MAX_SAMPLED})
    none = np.zeros((0, held.version.dim), np.float32)
    return _finite(np.concatenate([none, *(block for _, block in blocks)]))


def _judged(held: VectorList, run_id: str, counts: Counts, samples: Samples) -> HealthRow:
    is_enough = min(len(samples.at_home), len(samples.known)) >= MIN_VECTORS
    shape = shape_of(samples.fresh) if len(samples.fresh) >= MIN_VECTORS else None
    usual = shape_of(samples.known) if is_enough else None
    drift = drift_of(samples.at_home, samples.known) if is_enough else None
    parts = [asdict(part) for part in (counts, shape, drift) if part is not None]
    return HealthRow(
        run_id=run_id,
        model_version_id=held.version.id or 0,
        modality=held.modality,
        measures={name: value for part in parts for name, value in part.items()},
        findings=findings_of(counts, shape, usual, drift),
        measured_at=datetime.now(UTC),
    )


def _finite(sample: Floats) -> Floats:
    return sample[np.isfinite(sample).all(axis=1)]
