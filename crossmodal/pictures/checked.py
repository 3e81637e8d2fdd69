"""Count the pictures of a collection, or of a run, that have something wrong with them."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from crossmodal.ledger.read.picture_quality import (
    Issue,
    PictureCheck,
    measured_pictures,
    num_pictures,
    places_of,
)
from crossmodal.pictures.quality import THRESHOLDS, issues_of

_EXAMPLES = 3


def check_pictures(con: duckdb.DuckDBPyConnection, run_id: str = "") -> PictureCheck:
    """Return what is wrong with the pictures of a collection, or with those that a run added."""
    known = num_pictures(con, run_id)
    rows = measured_pictures(con, run_id) if known else None
    if rows is None or not rows.num_rows:
        return PictureCheck(0, known, {})
    return PictureCheck(rows.num_rows, known - rows.num_rows, _issues(con, rows))


def _issues(con: duckdb.DuckDBPyConnection, rows: pa.Table) -> dict[str, Issue]:
    hashes = rows["content_hash"]
    columns = {name: np.asarray(rows[name], np.float64) for name in rows.column_names[1:]}
    which = {name: np.flatnonzero(has) for name, has in issues_of(columns).items()}
    shown = {n: [hashes[int(at)].as_py() for at in w[:_EXAMPLES]] for n, w in which.items()}
    places = places_of(con, [key for keys in shown.values() for key in keys])
    return {
        name: Issue(
            which=THRESHOLDS[name],
            count=len(found),
            examples=tuple(places[key] for key in shown[name] if key in places),
        )
        for name, found in which.items()
    }
