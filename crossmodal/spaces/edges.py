"""Find the edges between the chunks of a space: those that the ledger knows, and nearest ones.

The ledger knows which passage a picture or a passage belongs to, which passages stand beside a
picture, which passage comes next, and which chunks stand under one heading: their section is a node
of its own. Nearest neighbours are kept up as chunks come and go: only what is new, or has lost a
neighbour, is looked for anew. Owns the weights.
"""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from crossmodal.ledger.sql import registered
from crossmodal.ledger.write.model_versions import table_of, vector_lists
from crossmodal.records import ModelVersion
from crossmodal.spaces.graph import Edges, Ints
from crossmodal.vectors.affine import Floats

_BLOCK = 2048
_NEAR = "near"
_LEDGER = "ledger"

# A passage beside tells as much less of a picture as `search --neighbours` takes off for it.
_KNOWN = """
WITH node AS ({nodes}),
known AS (SELECT c.* FROM chunk c JOIN node USING (chunk_id)),
edge AS (
    SELECT c.chunk_id AS a, p.chunk_id AS b, 1.0 AS weight FROM known c JOIN known p
        ON c.content_hash = p.content_hash AND c.chunker = p.chunker AND c.parent = p.ordinal
    UNION ALL
    SELECT f.chunk_id, p.chunk_id, 0.25 FROM known f JOIN known p
        ON f.content_hash = p.content_hash AND f.chunker = p.chunker
        AND f.modality = 'image' AND p.modality = 'text'
        AND abs(f.parent - p.ordinal) BETWEEN 1 AND 2
    UNION ALL
    SELECT p.chunk_id, n.chunk_id, 0.5 FROM known p JOIN known n
        ON p.content_hash = n.content_hash AND p.chunker = n.chunker
        AND p.modality = 'text' AND n.modality = 'text' AND n.ordinal = p.ordinal + 1)
SELECT a, b, max(weight)::FLOAT AS weight FROM
    (SELECT a, b, weight FROM edge UNION ALL SELECT b, a, weight FROM edge) both_ways
WHERE a <> b GROUP BY a, b ORDER BY a, b
"""
# A section is numbered by its first chunk, below zero: no chunk has such a number.
_SECTIONS = """
WITH node AS ({nodes}),
member AS (
    SELECT chunk_id, -min(chunk_id) OVER alike AS section_id, count(*) OVER alike AS num
    FROM chunk JOIN node USING (chunk_id) WHERE section <> ''
    WINDOW alike AS (PARTITION BY content_hash, chunker, section))
SELECT section_id AS a, chunk_id AS b, 1.0::FLOAT AS weight FROM member WHERE num > 1
UNION ALL SELECT chunk_id, section_id, $section::FLOAT FROM member WHERE num > 1
ORDER BY a, b
"""
_STORED = """
SELECT chunk_id AS a, neighbour_id AS b, weight FROM space_edge
WHERE model_version_id = ? AND kind = ? ORDER BY chunk_id, neighbour_id
"""


def known_edges(
    con: duckdb.DuckDBPyConnection, parent: ModelVersion, section: float = 0.0
) -> Edges:
    """Return the edges that the ledger knows between chunks with a vector of ``parent``.

    With a weight above zero those of chunks with their sections too, where two or more have one.
    """
    nodes = " UNION ALL ".join(
        f"SELECT chunk_id FROM {table_of(held)}" for held in vector_lists(parent)
    )
    known = _edges(con.execute(_KNOWN.format(nodes=nodes)))
    if not section:
        return known
    return known.joined(_edges(con.execute(_SECTIONS.format(nodes=nodes), {"section": section})))


def stored_edges(con: duckdb.DuckDBPyConnection, version: ModelVersion, *, near: bool) -> Edges:
    """Return the edges by which the vectors of a space were computed."""
    return _edges(con.execute(_STORED, [version.id, _NEAR if near else _LEDGER]))


def put_edges(
    con: duckdb.DuckDBPyConnection, version: ModelVersion, nodes: Ints, known: Edges, near: Edges
) -> None:
    """Write the edges of these nodes, and of no others, anew."""
    rows = pa.concat_tables(
        pa.table(
            {
                "a": each.nodes,
                "b": each.neighbours,
                "weight": each.weights,
                "kind": [kind] * len(each),
            },
            schema=_SCHEMA,
        )
        for each, kind in ((_of(known, nodes), _LEDGER), (_of(near, nodes), _NEAR))
    )
    with registered(con, renewed=pa.table({"chunk_id": nodes}), fresh=rows):
        con.execute(
            "DELETE FROM space_edge WHERE model_version_id = ? "
            "AND chunk_id IN (SELECT chunk_id FROM renewed)",
            [version.id],
        )
        con.execute("INSERT INTO space_edge SELECT ?, a, b, weight, kind FROM fresh", [version.id])


_SCHEMA = pa.schema(
    [("a", pa.int64()), ("b", pa.int64()), ("weight", pa.float32()), ("kind", pa.string())]
)


def near_edges(ids: Ints, unit: Floats, before: Edges, num: int) -> Edges:
    """Return the ``num`` nearest of each node as edges, by cosine, from those of before.

    ``unit`` (n, dim) are vectors of length 1 of ``ids``, ascending. Equal to looking for all of
    them, but for ties: nodes that are new, or have lost a neighbour, are looked for; of the others
    only what is new may have come nearer.
    """
    num = min(num, len(ids) - 1)
    still = before.kept(np.isin(before.nodes, ids) & np.isin(before.neighbours, ids))
    nodes, counts = np.unique(still.nodes, return_counts=True)
    whole = nodes[counts >= num]
    added = np.setdiff1d(ids, np.unique(before.nodes))
    sought = np.flatnonzero(~np.isin(ids, whole))
    joining = np.flatnonzero(np.isin(ids, added))
    kept = still.kept(np.isin(still.nodes, whole))
    found = _nearest(ids, unit, sought, np.arange(len(ids)), num)
    if len(joining) and len(whole):
        others = np.flatnonzero(np.isin(ids, whole))
        fresh = _nearest(ids, unit, others, joining, min(num, len(joining)))
        kept = _heaviest(kept.joined(fresh), num)
    return found.joined(kept)


def _nearest(ids: Ints, unit: Floats, rows: Ints, among: Ints, num: int) -> Edges:
    parts = [_nearest_of(ids, unit, rows[s : s + _BLOCK], among, num) for s in _starts(rows)]
    if not parts or num <= 0:
        return Edges.none()
    return Edges.of(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _nearest_of(
    ids: Ints, unit: Floats, rows: Ints, among: Ints, num: int
) -> tuple[Ints, Ints, Floats]:
    scores = unit[rows] @ unit[among].T
    scores[rows[:, None] == among[None, :]] = -np.inf
    top = np.argpartition(-scores, num - 1, axis=1)[:, :num]
    weights = np.take_along_axis(scores, top, axis=1).ravel()
    towards = weights > 0
    nodes = np.repeat(ids[rows], num)
    return nodes[towards], ids[among[top.ravel()]][towards], weights[towards].astype(np.float32)


def _heaviest(edges: Edges, num: int) -> Edges:
    """Return the ``num`` heaviest edges of each node."""
    order = np.lexsort((-edges.weights, edges.nodes))
    nodes = edges.nodes[order]
    first = np.flatnonzero(np.diff(nodes, prepend=-1))
    place = np.arange(len(nodes)) - np.repeat(first, np.diff(np.append(first, len(nodes))))
    taken = np.zeros(len(nodes), bool)
    taken[order[place < num]] = True
    return edges.kept(taken)


def _starts(rows: Ints) -> range:
    return range(0, len(rows), _BLOCK)


def _of(edges: Edges, nodes: Ints) -> Edges:
    return edges.kept(np.isin(edges.nodes, nodes))


def _edges(found: duckdb.DuckDBPyConnection) -> Edges:
    columns = found.fetchnumpy()
    nodes, neighbours, weights = (columns[name] for name in ("a", "b", "weight"))
    return Edges(
        np.asarray(nodes, np.int64),
        np.asarray(neighbours, np.int64),
        np.asarray(weights, np.float32),
    )
