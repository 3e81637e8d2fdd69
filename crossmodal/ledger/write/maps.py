"""Keep maps: where each chunk of a space lies on paper, and what the clusters are called.

Owns the tables; how a map is drawn up is the caller's business. Anchors are the chunks by which
all others were placed, and by which new ones will be: while they stay, no point moves.
"""

from __future__ import annotations

from typing import NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crossmodal.ledger.sql import registered

_POINTS = """
SELECT chunk_id, x, y, cluster, is_anchor FROM map_point
WHERE model_version_id = ? ORDER BY chunk_id
"""


class MapPoints(NamedTuple):
    """Hold the points of a map, by chunk id."""

    chunk_ids: npt.NDArray[np.int64]
    """(n,)."""
    places: npt.NDArray[np.float32]
    """(n, 2), in no unit."""
    clusters: npt.NDArray[np.int32]
    """(n,)."""
    are_anchors: npt.NDArray[np.bool_]
    """(n,)."""


def read_map(con: duckdb.DuckDBPyConnection, version_id: int) -> MapPoints:
    """Return the points of a model version's map; none before one was made."""
    rows = con.execute(_POINTS, [version_id]).fetchnumpy()
    places = np.stack([rows["x"], rows["y"]], axis=1)
    return MapPoints(
        np.asarray(rows["chunk_id"], np.int64),
        np.asarray(places, np.float32),
        np.asarray(rows["cluster"], np.int32),
        np.asarray(rows["is_anchor"], np.bool_),
    )


def read_clusters(con: duckdb.DuckDBPyConnection, version_id: int) -> dict[int, str]:
    """Return the names of a map's clusters by their number."""
    sql = "SELECT cluster, name FROM map_cluster WHERE model_version_id = ? ORDER BY cluster"
    return {int(number): str(name) for number, name in con.execute(sql, [version_id]).fetchall()}


def write_map(
    con: duckdb.DuckDBPyConnection, version_id: int, points: MapPoints, names: dict[int, str]
) -> None:
    """Put a whole map in place of the one before."""
    con.execute("DELETE FROM map_point WHERE model_version_id = ?", [version_id])
    con.execute("DELETE FROM map_cluster WHERE model_version_id = ?", [version_id])
    rows = pa.table({"cluster": list(names), "name": list(names.values())})
    with registered(con, named=rows):
        con.execute(f"INSERT INTO map_cluster SELECT {int(version_id)}, cluster, name FROM named")
    add_points(con, version_id, points)


def add_points(con: duckdb.DuckDBPyConnection, version_id: int, points: MapPoints) -> None:
    """Add points to a map."""
    rows = pa.table(
        {
            "chunk_id": points.chunk_ids,
            "x": points.places[:, 0],
            "y": points.places[:, 1],
            "cluster": points.clusters,
            "is_anchor": points.are_anchors,
        }
    )
    with registered(con, placed=rows):
        con.execute(f"INSERT INTO map_point SELECT {int(version_id)}, * FROM placed")


def drop_points(
    con: duckdb.DuckDBPyConnection, version_id: int, chunk_ids: npt.NDArray[np.int64]
) -> None:
    """Take the points of chunks that are gone off a map."""
    con.execute(
        "DELETE FROM map_point WHERE model_version_id = ? AND chunk_id IN (SELECT unnest(?))",
        [version_id, chunk_ids.tolist()],
    )
