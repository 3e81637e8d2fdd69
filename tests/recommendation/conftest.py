"""A collection of apples, boats and cats whose vectors lie where a test can reckon with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, runs, shard_writer
from tests.ledger import build

DIM = 16
KINDS = ("apple", "boat", "cat")
NUM_EACH = 20


def vector_of(kind: str, number: int, modality: str = "image") -> np.ndarray:
    """Return a unit vector near its kind's axis; all of a modality share a large offset."""
    rng = np.random.default_rng([KINDS.index(kind), number, modality == "text"])
    vector = rng.normal(scale=0.15, size=DIM)
    vector[KINDS.index(kind)] += 1.0
    vector[10 if modality == "image" else 11] += 1.5
    return build.unit(*vector)


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a collection of twenty pictures and ten texts of each kind."""
    path = tmp_path_factory.mktemp("kinds") / "kinds.duckdb"
    model = build.version("tiny", DIM)
    planned, rows = [], []
    for kind in KINDS:
        for number in range(NUM_EACH):
            source = build.planned(f"/{kind}s/{number}.jpg", f"{kind} {number}")
            planned.append(source)
            rows.append(build.vector_row(source, vector_of(kind, number)))
        for number in range(NUM_EACH // 2):
            source = build.planned(f"/{kind}s/{number}.txt", f"{kind} text {number}")
            planned.append(source)
            words = {"kind": "passage", "modality": "text", "text": f"{kind} {number}"}
            rows.append(build.vector_row(source, vector_of(kind, number, "text"), **words))
    with Collection(path).write() as con:
        version = model_versions.register(con, model)
        model_versions.register_lineup(con, build.Lineup.of(version))
        started = {"flow": "index", "params": {}, "code_version": "0"}
        runs.start_run(con, runs.RunStart(run_id="run", model_version_id=version.id, **started))
        shard_writer.commit_shard(con, build.shard(version, build.plan(*planned), rows))
    return path
