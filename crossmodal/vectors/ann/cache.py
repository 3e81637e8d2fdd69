"""Decide whether the codes of a list are valid for a search, and keep them open.

A ``CodesFolder`` is thread-safe; it opens a generation once and closes it when the ledger names
another.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import duckdb

from crossmodal.ledger.sql import first_row
from crossmodal.ledger.write.ann_generations import Valid, valid_codes
from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList
from crossmodal.vectors.ann.files import CodesDamaged, mark_damaged
from crossmodal.vectors.ann.generation import OpenCodes, folder_of, open_codes
from crossmodal.vectors.ann.scan import EFFORTS, Effort
from crossmodal.vectors.calibration.hubs import HubTerms

MAX_TAIL = 20_000
"""Largest number of vectors newer than the codes that are compared exactly."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Hold codes that are valid for the collection as this connection sees it."""

    codes: OpenCodes
    covered_seq: int
    effort: Effort
    num_newer: int
    """Vectors added after the codes were made."""
    num_gone: int
    """Vectors deleted since; the codes still return them as candidates."""


@dataclass(frozen=True, slots=True)
class NotReady:
    """Say why a list has to be searched exactly; the reason is empty if that is expected."""

    reason: str = ""

    @classmethod
    def damaged(cls, error: CodesDamaged) -> NotReady:
        """Return the notice for damaged codes."""
        return cls(f"{error}: every vector was compared; the next run builds it again")


class CodesFolder:
    """Keep the codes beside one collection open across searches, and its hub terms in memory."""

    def __init__(self, collection: str | Path) -> None:
        self._collection = Path(collection)
        self._lock = threading.Lock()
        self._open: dict[str, OpenCodes] = {}
        self.hub_terms = HubTerms()

    def ready(self, con: duckdb.DuckDBPyConnection, vectors: VectorList) -> Ready | NotReady:
        """Return the codes of a list if they exist, are valid, and passed their audit."""
        valid = valid_codes(con, vectors)
        if valid is not None and valid.audit is not None and not valid.audit.passed:
            return NotReady(
                f"the codes found {valid.audit.recall:.3f} of the exact answers, below the target "
                f"of {valid.audit.target:g}, so every vector was compared"
            )
        return self.agreeing(con, vectors, valid)

    def agreeing(
        self, con: duckdb.DuckDBPyConnection, vectors: VectorList, valid: Valid | None
    ) -> Ready | NotReady:
        """Return the codes if they are valid for the list, whatever their audit found."""
        if valid is None:
            return NotReady()
        try:
            codes = self._opened(valid, vectors)
        except CodesDamaged as error:
            return NotReady.damaged(error)
        return _agreeing(con, vectors, valid, codes)

    def give_up(self, vectors: VectorList, error: CodesDamaged) -> NotReady:
        """Mark a list's codes as damaged for all processes, until the next run rebuilds them."""
        table = table_of(vectors)
        with self._lock:
            known = self._open.pop(table, None)
        if known:
            mark_damaged(folder_of(self._collection, vectors), known.manifest.token)
        return NotReady.damaged(error)

    def _opened(self, valid: Valid, vectors: VectorList) -> OpenCodes:
        table = table_of(vectors)
        with self._lock:
            known = self._open.get(table)
            if known is None or known.manifest.token != valid.token:
                folder = folder_of(self._collection, vectors)
                known = self._open[table] = open_codes(folder, valid.token, vectors)
            return known


def _agreeing(
    con: duckdb.DuckDBPyConnection, vectors: VectorList, valid: Valid, codes: OpenCodes
) -> Ready | NotReady:
    """Compare what the codes cover with what is stored."""
    manifest, table = codes.manifest, table_of(vectors)
    num_all, num_newer = first_row(
        con,
        f"SELECT count(*), (SELECT count(*) FROM {table} WHERE seq > $covered) FROM {table}",
        {"covered": valid.covered_seq},
    ) or (0, 0)
    if manifest.covered_seq != valid.covered_seq or manifest.num_live < num_all - num_newer:
        return NotReady("the codes are not those of this collection, so every vector was compared")
    if num_newer > max(MAX_TAIL, num_all // 50):
        return NotReady(
            f"{num_newer} vectors are newer than the codes, so every vector was compared"
        )
    effort = EFFORTS[min(valid.audit.effort, len(EFFORTS) - 1) if valid.audit else 0]
    num_gone = manifest.num_live - (num_all - num_newer)
    return Ready(codes, valid.covered_seq, effort, num_newer, num_gone)
