"""Look hub terms up, and keep those of long lists in memory where a process asks again.

A look-up of a hundred among a million takes 1.9 ms of processor time, reading all of them 10 and 12
bytes each. So the first question of a process looks its own up, and the second one reads all. They
are kept for the generation of codes that they belong to, and only while it holds every vector of
the list: a hub term that was once computed stays until its vector is replaced. Thread-safe.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt

from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.write import calibrations
from crossmodal.records import VectorList
from crossmodal.vectors.calibration.merit import Floats

Ids = npt.NDArray[np.int64]

MAX_IN_MEMORY = 5_000_000
"""Of a longer list, 60 MB and more, hub terms are looked up for each question."""


class _Kept(NamedTuple):
    """Hold the hub terms of a list as they were with one generation of its codes."""

    token: str
    fits: bool
    ids: Ids
    """(n,) ascending; empty after the first question."""
    hubs: Floats
    """(n,) float32; NaN where none was computed."""


class HubTerms:
    """Return the hub terms of chunks of one collection."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[VectorList, _Kept] = {}

    def of(
        self, con: duckdb.DuckDBPyConnection, vectors: VectorList, chunk_ids: Ids, token: str = ""
    ) -> Floats:
        """Return (n,) float32 hub terms; NaN where there is none.

        ``token`` names the codes that hold every vector of the list; empty where none do.
        """
        kept = self._known(con, vectors, token) if token else None
        if kept is None or not len(kept.ids) or not len(chunk_ids):
            return calibrations.hubs_of(con, vectors, chunk_ids)
        hubs = calibrations.hubs_among(kept.ids, kept.hubs, chunk_ids)
        lacking = np.isnan(hubs)
        if lacking.any():
            hubs[lacking] = calibrations.hubs_of(con, vectors, chunk_ids[lacking])
        return hubs

    def _known(
        self, con: duckdb.DuckDBPyConnection, vectors: VectorList, token: str
    ) -> _Kept | None:
        """Return what is kept; None for the first question since the codes were made."""
        with self._lock:
            kept = self._kept.get(vectors)
            if kept is None or kept.token != token:
                fits = num_vectors(con, vectors) <= MAX_IN_MEMORY
                nothing = np.zeros(0, np.int64), np.zeros(0, np.float32)
                self._kept[vectors] = _Kept(token, fits, *nothing)
                return None
            if kept.fits and not len(kept.ids):
                every = calibrations.all_hubs(con, vectors)
                kept = self._kept[vectors] = _Kept(token, fits=True, ids=every[0], hubs=every[1])
            return kept
