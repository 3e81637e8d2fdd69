"""The same query on a Ray cluster gives what this process gives, and outlives a lost worker."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.embedding import model_files
from tasks.embedding.encoders import Encoders
from tasks.embedding.options import EmbedOptions, ModelSpec
from tasks.embedding.query import EmbeddedShard, embed_shard
from tasks.errors import CrossmodalError
from tasks.records import PLAN_SCHEMA, Action, Lineup
from tests.conftest import ROOT
from tests.pictures import draw_pictures

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.process

NUM_PICTURES = 150
NUM_MANY = 2500
MEDIA_TYPES = {".md": "text/markdown"}


def planned(paths: list[Path]) -> pa.Table:
    rows = [
        {
            "uri": str(path),
            "root": str(path.parent),
            "size_bytes": path.stat().st_size,
            "mtime_ns": 1,
            "action": Action.ADDED,
            "reason": "new",
            "media_type": MEDIA_TYPES.get(path.suffix, "image/png"),
            "content_hash": hashlib.sha256(path.read_bytes()).hexdigest(),
            "previous_uri": None,
            "embed": True,
        }
        for path in paths
    ]
    return pa.Table.from_pylist(rows, schema=PLAN_SCHEMA)


def encoders(model: Path) -> Encoders:
    files = model_files.resolve(ModelSpec(str(model)))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    return Encoders(Lineup.of(version), "cpu")


def here(plan: pa.Table, model: Path) -> EmbeddedShard:
    return embed_shard(plan, encoders(model), EmbedOptions(), lambda _: None, lambda _: None)


def on_ray(plan: pa.Table, model: Path, home: Path, *options: str) -> dict[str, Any]:
    pq.write_table(plan, home / "plan.parquet")
    command = [sys.executable, "-m", "tests.scale.on_ray"]
    arguments = [home / "plan.parquet", model, home / "answer", *options]
    # Not a pipe, which Ray's own processes would hold open.
    with (home / "out").open("w") as out:
        done = subprocess.run(
            [*command, *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | {"RAY_USAGE_STATS_ENABLED": "0", "PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=900,
        )
    assert done.returncode == 0, (home / "out").read_text()[-3000:]
    answer: dict[str, Any] = pickle.loads((home / "answer").read_bytes())
    return answer


def assert_same(answer: dict[str, Any], shard: EmbeddedShard) -> None:
    assert answer["cut"].equals(shard.cut)
    assert len(answer["vectors"]) == len(shard.vectors)
    for (_, theirs), ours in zip(answer["vectors"], shard.vectors.values(), strict=True):
        assert theirs.drop_columns("vector").equals(ours.drop_columns("vector"))
        vectors = [np.array(table["vector"].to_pylist()) for table in (theirs, ours)]
        assert np.allclose(*vectors, atol=1e-5)


def test_cluster_gives_the_rows_and_vectors_that_one_process_gives(
    tiny_clip: Path, tmp_path: Path
) -> None:
    paths = draw_pictures(tmp_path / "pictures", NUM_PICTURES)
    paths[3].write_bytes(b"this is no picture at all")
    note = tmp_path / "note.md"
    note.write_text("# Heading\n\n" + "some words of a note. " * 60)
    paths.insert(60, note)
    plan = planned(paths)
    paths[20].unlink()
    answer = on_ray(plan, tiny_clip, tmp_path)
    shard = here(plan, tiny_clip)
    assert shard.cut["kind"].to_pylist().count("passage") > 1
    assert_same(answer, shard)
    assert answer["advanced"] == NUM_PICTURES + 1
    assert len(answer["survivors"]) == 2
    read = sum(num_items for operator, num_items in answer["spans"] if operator == "read")
    assert read == NUM_PICTURES + 1


def test_shard_survives_a_worker_that_is_killed(tiny_clip: Path, tmp_path: Path) -> None:
    plan = planned(draw_pictures(tmp_path / "pictures", NUM_MANY))
    answer = on_ray(plan, tiny_clip, tmp_path, "kill")
    assert len(answer["victims"]) == 2
    assert answer["victims"][0] not in answer["survivors"]
    assert answer["wall_s"] > 0.3, "the shard was done before the worker was killed"
    assert_same(answer, here(plan, tiny_clip))


def test_process_that_has_used_daft_without_ray_is_told_so(tiny_clip: Path, tmp_path: Path) -> None:
    plan = planned(draw_pictures(tmp_path / "pictures", 2))
    here(plan, tiny_clip)
    options = EmbedOptions(runner="ray")
    with pytest.raises(CrossmodalError, match="start a new one"):
        embed_shard(plan, encoders(tiny_clip), options, lambda _: None, lambda _: None)
