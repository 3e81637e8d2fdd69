"""Compare what two runs left in their collections, whatever ran them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

_SOURCES = """
SELECT uri, root, media_type, size_bytes, mtime_ns, content_hash FROM source ORDER BY ALL
"""
_CHUNKS = """
SELECT content_hash, chunker, ordinal, kind, meta, modality, parent, section, text FROM chunk
ORDER BY ALL
"""
_QUARANTINE = """
SELECT uri, part, stage, reason, detail, transient, content_hash, size_bytes, mtime_ns,
    model_version_id FROM quarantine ORDER BY ALL
"""
_VECTORS = """
SELECT content_hash, chunker, ordinal, v FROM {table} JOIN chunk USING (chunk_id)
ORDER BY content_hash, chunker, ordinal
"""
_VECTOR_TABLES = """
SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'vector\\_%' ESCAPE '\\' ORDER BY ALL
"""


@dataclass(frozen=True)
class Left:
    """Hold what a run has left behind, without what is different from run to run."""

    rows: dict[str, list[tuple[Any, ...]]]
    vectors: dict[str, np.ndarray[Any, Any]]


def left_in(collection: Path) -> Left:
    """Read a collection that nobody writes to; fail where a vector's key is not its own."""
    with duckdb.connect(str(collection), read_only=True) as con:

        def rows(sql: str) -> list[tuple[Any, ...]]:
            return con.execute(sql).fetchall()

        found = {"source": rows(_SOURCES), "chunk": rows(_CHUNKS), "quarantine": rows(_QUARANTINE)}
        vectors = {}
        for (table,) in rows(_VECTOR_TABLES):
            of_table = rows(_VECTORS.format(table=table))
            found[table] = [row[:-1] for row in of_table]
            assert len(set(found[table])) == len(of_table), f"a chunk is twice in {table}"
            vectors[table] = np.array([row[-1] for row in of_table])
        keys = [row[:3] for row in found["chunk"]]
        assert len(set(keys)) == len(keys), "a chunk is there twice"
    return Left(found, vectors)


def assert_same(theirs: Path, ours: Path) -> None:
    """Assert that two collections hold the same rows, and vectors that point the same way."""
    one, other = left_in(theirs), left_in(ours)
    assert one.rows == other.rows
    for table, vectors in one.vectors.items():
        if len(vectors):
            cosines = (vectors * other.vectors[table]).sum(axis=1)
            assert cosines.min() > 0.9999, table
