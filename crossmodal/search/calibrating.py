"""Calibrate the lists of an old collection at its first search, where that costs little.

A run calibrates what it embeds; a collection from before has no probes until a process has its
models loaded, as a search does. Short lists are measured here and then, longer ones wait for the
next run, which needs no model for it. Refuses to keep a search waiting for a writer, and to fail
where the file cannot be written: then the answer says that the ranking is rougher.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from crossmodal.errors import CollectionError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.write.calibrations import stored_table
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList
from crossmodal.vectors.calibration.merit import MAX_SAMPLED
from crossmodal.vectors.calibration.update import calibrate

_LOCK_WAIT_S = 2.0

_LOCK = threading.Lock()
_SEEN: set[tuple[Path, str]] = set()
"""Lists that this process has looked after; it tries once."""


def calibrate_for_search(collection: Collection, lists: Sequence[VectorList], device: str) -> None:
    """Encode the probes of the lists' versions and fit tables of short lists, where they lack.

    The encoders of the versions are loaded, or will be.
    """
    fresh = _not_seen(collection.path, lists)
    if not fresh:
        return
    with collection.read() as con:
        lacking = {v: num_vectors(con, v) for v in fresh if stored_table(con, v) is None}
    if not lacking:
        return
    from crossmodal.embedding.probes import ensure_probes
    from crossmodal.encoders.cache import load_version

    patient = Collection(collection.path, lock_timeout_s=_LOCK_WAIT_S)
    versions = list(dict.fromkeys(found.version for found in lacking))
    try:
        ensure_probes(patient, versions, lambda version: load_version(version, device))
        for found, num in lacking.items():
            if num <= MAX_SAMPLED:
                calibrate(patient, found)
    except (CollectionError, OSError):
        return  # busy, full or read-only: the answer says that it is not calibrated


def _not_seen(path: Path, lists: Sequence[VectorList]) -> list[VectorList]:
    with _LOCK:
        fresh = [found for found in lists if (path, table_of(found)) not in _SEEN]
        _SEEN.update((path, table_of(found)) for found in fresh)
    return fresh
