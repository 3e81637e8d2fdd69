"""Forget sources of a collection, as a run that its list of runs tells of.

Owns what a person may name; refuses to know rows. A model version goes by ``models.retire``.
"""

from __future__ import annotations

import os
import uuid

from crossmodal.errors import PathError
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import forget
from crossmodal.ledger.write.forget import Forgotten
from crossmodal.ledger.write.runs import RunStart
from crossmodal.runs.code_version import code_version


def forget_sources(collection: Collection, named: str, *, dry_run: bool) -> Forgotten:
    """Take a source, or all below a folder, root or URL, out of the collection; files stay.

    Raises:
        PathError: the collection has nothing of that name.
        CollectionMissing, CollectionBusy: the collection cannot be opened.
    """
    place = _place(named)
    with collection.read() as con:
        told = forget.would_forget(con, place)
    if not told.num_sources:
        raise PathError(
            f"the collection knows no source {place!r} and none below it: `crossmodal status` and "
            "searches show the paths as it knows them"
        )
    if dry_run:
        return told
    start = RunStart(
        run_id=uuid.uuid4().hex,
        flow="forget",
        params={"num_sources": told.num_sources},  # not the name: that is to be forgotten
        code_version=code_version(),
    )
    with collection.write() as con:
        return forget.forget(con, start, place)


def _place(named: str) -> str:
    if "://" in named:
        return named.rstrip("/")
    return os.path.abspath(os.path.expanduser(named))
