"""A collection whose vectors are drawn at random, what a store holds of it, and what it should."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.hidden import hidden_chunks
from crossmodal.ledger.write import model_versions, runs, shard_writer
from crossmodal.ledger.write.model_versions import table_of, vector_lists
from crossmodal.publishing.address import parse_address
from crossmodal.publishing.options import PublishOptions
from crossmodal.publishing.publication import Publication
from crossmodal.publishing.publisher import publish
from crossmodal.publishing.stores.open import open_store
from crossmodal.publishing.stores.store import StoredTable, table_name
from crossmodal.records import Lineup, ModelVersion
from tests.ledger.build import plan, planned, shard, vector_row, version

DIM = 16


@dataclass
class World:
    """Write to a collection as runs do, and publish it."""

    collection: Collection
    model: ModelVersion = field(default_factory=lambda: version("model/one", DIM))

    def __post_init__(self) -> None:
        with self.collection.write() as con:
            self.model = model_versions.register(con, self.model)
            if model_versions.live(con) is None:
                model_versions.set_live(con, Lineup.of(self.model))

    def add(
        self, numbers: Iterable[int], content: str = "", model: ModelVersion | None = None
    ) -> None:
        """Index pictures; another ``content`` is a change of what lies under their names."""
        rows = [planned(f"/photos/{i}.png", f"picture {i}{content}") for i in numbers]
        self._commit(model or self.model, rows, {})

    def add_texts(self, numbers: Iterable[int]) -> None:
        rows = [planned(f"/notes/{i}.txt", f"note {i}", media_type="text/plain") for i in numbers]
        words = {"modality": "text", "kind": "passage", "meta": '{"page": 3, "nul": "\\u0000"}'}
        self._commit(self.model, rows, words | {"text": "of a café\0", "section": "One"})

    def delete(self, *uris: str) -> None:
        gone = [planned(uri, None, action="deleted", embed=False) for uri in uris]
        with self.collection.write() as con:
            shard_writer.apply_plan(con, plan(*gone), "run", None)

    def rename(self, uri: str, to: str, content: str) -> None:
        moved = planned(to, content, action="renamed", previous_uri=uri, embed=False)
        with self.collection.write() as con:
            shard_writer.apply_plan(con, plan(moved), "run", None)

    def register(self, name: str, dim: int) -> ModelVersion:
        with self.collection.write() as con:
            return model_versions.register(con, version(name, dim))

    def publish(
        self, address: str, advance: Callable[[int], None] = lambda _: None, **options: Any
    ) -> Publication:
        """Publish as a run of its own."""
        run_id = uuid.uuid4().hex
        with self.collection.write() as con:
            runs.start_run(con, run_start(run_id))
        state = "failed"
        try:
            done = publish(self.collection, PublishOptions(to=address, **options), run_id, advance)
            state = "completed"
        finally:
            with self.collection.write() as con:
                runs.finish_run(con, run_id, state, {}, "")
        return done

    def wanted(self, model: ModelVersion | None = None) -> dict[int, tuple[str, str, list[float]]]:
        """Return by chunk what a store should hold of a version: source, modality, vector."""
        found = {}
        with self.collection.read() as con:
            hidden = set(hidden_chunks(con))
            for held in vector_lists(model or self.model):
                rows = con.execute(
                    f"SELECT chunk_id, min(uri), any_value(v) FROM {table_of(held)} "
                    "JOIN chunk USING (chunk_id) JOIN source USING (content_hash) GROUP BY 1"
                ).fetchall()
                found |= {i: (uri, held.modality, list(v)) for i, uri, v in rows if i not in hidden}
        return found

    def chunk_of(self, uri: str) -> int:
        with self.collection.read() as con:
            return int(
                con.execute(
                    "SELECT chunk_id FROM chunk JOIN source USING (content_hash) WHERE uri = ?",
                    [uri],
                ).fetchall()[0][0]
            )

    def _commit(self, model: ModelVersion, rows: list[dict[str, Any]], changes: Any) -> None:
        vectors = [
            vector_row(row, vector_of(row["content_hash"], model), **changes) for row in rows
        ]
        with self.collection.write() as con:
            shard_writer.commit_shard(con, shard(model, plan(*rows), vectors, uuid.uuid4().hex))
            shard_writer.apply_plan(con, plan(), "run", None)


def run_start(run_id: str) -> runs.RunStart:
    return runs.RunStart(run_id=run_id, flow="publish", params={}, code_version="0")


def vector_of(content: str, model: ModelVersion) -> np.ndarray:
    """Return the unit vector that a version has of a content, whenever it is asked."""
    seed = int(content[:8], 16) + model.dim
    vector = np.random.default_rng(seed).normal(size=model.dim).astype(np.float32)
    return vector / np.linalg.norm(vector)


def stored(address: str, model: ModelVersion) -> dict[int, list[float]]:
    """Return by chunk the vectors that a store holds of a version, read through its driver."""
    store = open_store(parse_address(address))
    try:
        ids = store.digests(table_name(model))["chunk_id"].to_numpy()
        assert store.count(table_name(model)) == len(ids) == len(set(ids.tolist()))
        found = store.vectors(table_name(model), ids)
    finally:
        store.close()
    return {number: vector.tolist() for number, vector in found.items()}


def tables(address: str) -> dict[str, StoredTable]:
    """Return what a store says of its tables, by model."""
    store = open_store(parse_address(address))
    try:
        return {table.model: table for table in store.tables()}
    finally:
        store.close()


def assert_in_step(world: World, address: str, model: ModelVersion | None = None) -> None:
    """Fail unless a store holds of a version what the collection has, and nothing else."""
    wanted, there = world.wanted(model), stored(address, model or world.model)
    assert there.keys() == wanted.keys()
    for number, vector in there.items():
        np.testing.assert_allclose(vector, wanted[number][2], atol=1e-6)
