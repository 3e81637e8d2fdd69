"""Make collections of some thousand vectors that are quick to write and have codes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.filters import parse_where
from crossmodal.ledger.write import model_versions
from crossmodal.records import Hit, VectorList
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.vectors.ann.generation import folder_of
from crossmodal.vectors.ann.update import CodesUpdate, update_codes
from crossmodal.vectors.search import Found, SearchRequest, find
from tests.ledger import build

DIM = 24


def cloud(num: int, seed: int = 0, dim: int = DIM) -> np.ndarray:
    """Return (num, dim) float32 unit vectors in clusters that share a direction."""
    space = np.random.default_rng(99)
    centres = space.standard_normal((30, dim)) + 2 * space.standard_normal(dim)
    rng = np.random.default_rng(seed)
    points = centres[rng.integers(0, 30, num)] + 0.5 * rng.standard_normal((num, dim))
    return (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)


@dataclass
class World:
    """Hold a collection whose i-th vector belongs to the chunk i + 1 of a source of size i."""

    collection: Collection
    vectors: VectorList

    @property
    def folder(self) -> Path:
        return folder_of(self.collection.path, self.vectors)

    def add(self, points: np.ndarray) -> None:
        with self.collection.write() as con:
            first = build.count(con, "source")
            add_points(con, self.vectors, points, first)

    def delete(self, *chunk_ids: int) -> None:
        with self.collection.write() as con:
            table = model_versions.table_of(self.vectors)
            con.execute(f"DELETE FROM {table} WHERE list_contains(?, chunk_id)", [list(chunk_ids)])

    def run(self, sql: str, *params: Any) -> list[Any]:
        with self.collection.write() as con:
            return list(con.execute(sql, list(params)).fetchall())

    def update(self) -> CodesUpdate:
        return update_codes(self.collection, self.vectors, min_vectors=1)

    def answer(self, query: np.ndarray, *conditions: str, **wanted: Any) -> Found:
        """Search as a fresh process would, by codes where there are any."""
        return self._answer(CodesFolder(self.collection.path), query, *conditions, **wanted)

    def exact(self, query: np.ndarray, *conditions: str, **wanted: Any) -> list[Hit]:
        return self._answer(None, query, *conditions, **wanted).hits

    def _answer(
        self, codes: CodesFolder | None, query: np.ndarray, *conditions: str, **wanted: Any
    ) -> Found:
        where = parse_where(list(conditions)) if conditions else None
        request = SearchRequest(self.vectors, query, where=where, **wanted)
        with self.collection.read() as con:
            return find(con, request, codes)


def assert_alike(hits: list[Hit], wanted: list[Hit]) -> None:
    """Assert that hits are the wanted ones, in their order but for ties in float32."""
    assert alike(hits, wanted), (hits, wanted)


def alike(hits: list[Hit], wanted: list[Hit]) -> bool:
    """Return whether hits are the wanted ones, in their order but for ties in float32."""
    scores = [hit.score for hit in wanted]
    same_scores = bool([hit.score for hit in hits] == pytest.approx(scores, abs=1e-6))
    return same_scores and _by_chunk(hits) == _by_chunk(wanted)


def _by_chunk(hits: list[Hit]) -> dict[int, Hit]:
    return {hit.chunk_id: replace(hit, rank=0, score=0) for hit in hits}


def add_points(con: Any, vectors: VectorList, points: np.ndarray, first: int) -> None:
    numbers = pa.table({"i": np.arange(first, first + len(points))})
    flat = pa.FixedSizeListArray.from_arrays(pa.array(points.reshape(-1)), points.shape[1])
    rows = pa.table({"chunk_id": np.arange(first + 1, first + 1 + len(points)), "v": flat})
    con.register("numbers", numbers)
    con.register("rows", rows)
    con.execute("""
        INSERT INTO chunk (chunk_id, content_hash, chunker, kind, ordinal, meta, run_id)
        SELECT i + 1, md5(i::VARCHAR), 'whole/1', 'image', 0, '{}', 'run' FROM numbers;
        INSERT INTO source
        SELECT '/photos/' || i, '/photos', 'image/png', i, 1000000000, md5(i::VARCHAR), 'run', now()
        FROM numbers""")
    table = model_versions.table_of(vectors)
    con.execute(f"INSERT INTO {table} (chunk_id, run_id, v) SELECT chunk_id, 'run', v FROM rows")
    con.unregister("numbers")
    con.unregister("rows")


def make_world(path: Path, points: np.ndarray) -> World:
    collection = Collection(path, lock_timeout_s=20)
    with collection.write() as con:
        version = model_versions.register(con, build.version(dim=points.shape[1]))
    world = World(collection, VectorList(version, "image"))
    world.add(points)
    return world
