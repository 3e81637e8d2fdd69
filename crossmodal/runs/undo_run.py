"""Undo a run of a collection, and bring what searches need beside the vectors in step with that.

Owns the order: one transaction puts the rows back, then codes and score tables follow, as they do
at the end of a run. Killed in between, the next run brings them in step.
"""

from __future__ import annotations

import uuid

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import undo
from crossmodal.ledger.write.ann_generations import valid_codes
from crossmodal.ledger.write.model_versions import all_versions, vector_lists
from crossmodal.ledger.write.runs import RunStart
from crossmodal.ledger.write.undo import Undoable, Undone
from crossmodal.runs.code_version import code_version
from crossmodal.vectors.audit import keep_codes
from crossmodal.vectors.calibration.update import calibrate


def undo_run(collection: Collection, spec: str) -> Undone:
    """Put a collection back as it was before the run whose id begins with ``spec``.

    Raises:
        UndoRefused: it is not kept, was undone, or a later run touched the same sources.
        CollectionError: there is no such run, or more than one.
        CollectionMissing, CollectionBusy: the collection cannot be opened.
    """
    start = RunStart(
        run_id=uuid.uuid4().hex, flow="undo", params={"run": spec}, code_version=code_version()
    )
    with collection.read():
        pass  # entering it refuses a missing file, which writing would make
    with collection.write() as con:
        done = undo.undo(con, start, spec)
        lists = [held for version in all_versions(con) for held in vector_lists(version)]
        coded = [held for held in lists if valid_codes(con, held)]
    for held in coded:
        keep_codes(collection, held)
    for held in lists:
        calibrate(collection, held)
    return done


def undoable_runs(collection: Collection) -> list[Undoable]:
    """Return the runs of which the undo log knows, latest first."""
    with collection.read() as con:
        return undo.undoable(con)
