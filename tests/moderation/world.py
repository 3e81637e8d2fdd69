"""A collection whose vectors are made by hand, and policies whose sentences have vectors too.

Axis 0 is what the policies are about: what lies along it violates them. Nothing here loads a model.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import calibrations, model_versions, shard_writer
from crossmodal.ledger.write.policies import keep_vectors
from crossmodal.moderation import moderate
from crossmodal.moderation.folder import PolicyFolder
from crossmodal.moderation.policy import Policy, parse_policy
from crossmodal.records import Lineup, ModelVersion
from crossmodal.vectors.calibration.probe_bank import NUM_PROBES, REVISION
from tests.ledger.build import plan, planned, shard, vector_row, version

DIM = 16
VIOLATES, ALLOWED = "a wolf in a field", "a chair in a room"

POLICY = f"""---
id: wolves
version: 3
severity: high
---
# No wolves

## Overview
People here fear wolves.

## Violates
- {VIOLATES}

## Allowed
- {ALLOWED}
"""


def leaning(towards: float, seed: int, dim: int = DIM) -> np.ndarray:
    """Return a unit vector whose cosine with axis 0 is ``towards``."""
    rest = np.random.default_rng(seed).normal(size=dim)
    rest[0] = 0
    rest *= np.sqrt(1 - towards**2) / np.linalg.norm(rest)
    rest[0] = towards
    return rest.astype(np.float32)


def policy(text: str = POLICY, **changes: str) -> Policy:
    for old, new in changes.items():
        text = text.replace(old, new)
    return parse_policy(text, "policy.md")


@dataclass
class World:
    """Hold a collection and what was added to it."""

    collection: Collection
    model: ModelVersion
    num_added: int = 0

    def add(self, *towards: float, **changes: Any) -> list[int]:
        """Add a source for each; return the ids of their chunks."""
        names = [f"/photos/{self.num_added + i}.png" for i in range(len(towards))]
        rows = [planned(name, name) for name in names]
        vectors = [
            vector_row(row, leaning(t, self.num_added + i), **changes)
            for i, (row, t) in enumerate(zip(rows, towards, strict=True))
        ]
        self.num_added += len(towards)
        with self.collection.write() as con:
            before = self._newest(con)
            shard_writer.commit_shard(con, shard(Lineup.of(self.model), plan(*rows), vectors))
            sql = "SELECT chunk_id FROM chunk WHERE chunk_id > ? ORDER BY chunk_id"
            return [row[0] for row in con.execute(sql, [before]).fetchall()]

    def cut_anew(self, uri: str, towards: float, **changes: Any) -> int:
        """Cut a source by another chunker, as when a rule changes; return its chunk's id."""
        row = planned(uri, uri, action="changed")
        fresh = vector_row(row, leaning(towards, 77), chunker="other/2", **changes)
        with self.collection.write() as con:
            shard_writer.commit_shard(con, shard(Lineup.of(self.model), plan(row), [fresh]))
            shard_writer.apply_plan(con, plan(), "run", Lineup.of(self.model))
            return self._newest(con)

    def teach(self, texts: dict[str, float], role: str = "query", number: int = 1) -> None:
        """Keep vectors of texts, as if a model had encoded them."""
        kept = {
            (role, hashlib.sha256(text.encode()).hexdigest()): leaning(towards, 10_000 + i)
            for i, (text, towards) in enumerate(texts.items())
        }
        with self.collection.write() as con:
            keep_vectors(con, number, kept)

    def moderate(self, *policies: Policy, run_id: str = "run") -> tuple[moderate.Tally, Any]:
        """Do what the flow does; return the tally and the report."""
        folder = PolicyFolder(policies, ())
        jobs = moderate.plan(self.collection, folder)
        encoded = moderate.encode(self.collection, jobs, "cpu")
        tally = moderate.score(self.collection, encoded, run_id)
        return tally, moderate.summary(self.collection, folder, tally)

    @staticmethod
    def _newest(con: Any) -> int:
        return int(con.execute("SELECT coalesce(max(chunk_id), 0) FROM chunk").fetchall()[0][0])


def make_world(path: Path, **changes: Any) -> World:
    """Return a collection that knows one model, whose probes lie anywhere."""
    collection = Collection(path)
    model = version("handmade", DIM)
    with collection.write() as con:
        registered = model_versions.register_lineup(con, Lineup.of(model))
    world = World(collection, registered.joint)
    lean = np.clip(np.random.default_rng(5).normal(0, 0.25, NUM_PROBES), -0.9, 0.9)
    probes = np.stack([leaning(float(towards), 20_000 + i) for i, towards in enumerate(lean)])
    with collection.write() as con:
        calibrations.put_probes(con, world.model, REVISION, probes)
    world.teach({VIOLATES: 0.95, ALLOWED: -0.3})
    return world
