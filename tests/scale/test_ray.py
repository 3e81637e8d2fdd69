"""The same query on a Ray cluster gives what this process gives, and outlives what is killed."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import pyarrow as pa
import pytest

from crossmodal.embedding.options import EmbedOptions
from crossmodal.embedding.ray import query
from crossmodal.embedding.rows import EmbeddedChunk, planned_sources
from crossmodal.embedding.shard_query import EmbeddedShard, embed_shard
from crossmodal.embedding.through import expected_chunks
from crossmodal.encoders import cache
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.errors import ModelUnavailable, is_transient
from crossmodal.models import files as model_files
from crossmodal.models.options import ModelSpec
from crossmodal.records import PLAN_SCHEMA, Action, Lineup, Span
from tests.drawn import draw_pictures
from tests.ledger.build import in_charge_of
from tests.progress import Heard
from tests.scale.cluster import LocalCluster, local_cluster
from tests.waiting import PATIENCE_S, eventually, free_port

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.process

NUM_PICTURES = 150
NUM_MANY = 2500
MEDIA_TYPES = {".md": "text/markdown"}
ON_RAY = EmbedOptions(runner="ray")


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
            **in_charge_of(MEDIA_TYPES.get(path.suffix, "image/png")),
            "content_hash": hashlib.sha256(path.read_bytes()).hexdigest(),
            "previous_uri": None,
            "embed": True,
        }
        for path in paths
    ]
    return pa.Table.from_pylist(rows, schema=PLAN_SCHEMA)


def encoders(model: Path, device: str = "cpu") -> Encoders:
    files = model_files.resolve(ModelSpec(str(model)))
    version = model_files.describe(files, "float32", model_files.weights_hash(files))
    return Encoders(Lineup.of(version), device)


def here(plan: pa.Table, model: Path) -> EmbeddedShard:
    return embed_shard(plan, encoders(model), EmbedOptions(), lambda _: None, Heard())


def on_ray(plan: pa.Table, model: Path, device: str = "cpu") -> tuple[EmbeddedShard, list[Span]]:
    spans: list[Span] = []
    progress = Heard()
    shard = embed_shard(plan, encoders(model, device), ON_RAY, spans.append, progress)
    files = zip(plan["media_type"].to_pylist(), plan["size_bytes"].to_pylist(), strict=True)
    assert sum(progress.amounts) == pytest.approx(sum(expected_chunks(*file) for file in files))
    return shard, spans


def nodes_of(spans: list[Span], operator: str = "forward") -> set[str]:
    """Return the processes, by their number, that ran an operator."""
    return {span.worker.split()[1] for span in spans if span.operator == operator}


def assert_same(theirs: EmbeddedShard, ours: EmbeddedShard) -> None:
    assert theirs.cut.equals(ours.cut)
    assert theirs.vectors.keys() == ours.vectors.keys()
    for listed, table in theirs.vectors.items():
        other = ours.vectors[listed]
        assert table.drop_columns("vector").equals(other.drop_columns("vector"))
        vectors = [np.array(t["vector"].to_pylist()) for t in (table, other)]
        assert np.allclose(*vectors, atol=1e-5)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> pa.Table:
    """Return the plan of a shard that takes seconds."""
    return planned(draw_pictures(tmp_path_factory.mktemp("many"), NUM_MANY))


def test_cluster_gives_the_rows_and_vectors_that_one_process_gives(
    cluster: LocalCluster, tiny_clip: Path, tmp_path: Path
) -> None:
    paths = draw_pictures(tmp_path / "pictures", NUM_PICTURES)
    paths[3].write_bytes(b"this is no picture at all")
    note = tmp_path / "note.md"
    note.write_text("# Heading\n\n" + "some words of a note. " * 60)
    paths.insert(60, note)
    plan = planned(paths)
    paths[20].unlink()
    ours = here(plan, tiny_clip)
    assert ours.cut["kind"].to_pylist().count("passage") > 1
    theirs, spans = on_ray(plan, tiny_clip)
    assert_same(theirs, ours)
    assert sum(span.num_items for span in spans if span.operator == "read") == NUM_PICTURES + 1
    assert len(nodes_of(spans)) == 2
    # The next shard finds the same processes, and with them the models that these have loaded.
    again, spans_again = on_ray(plan, tiny_clip)
    assert_same(again, ours)
    assert nodes_of(spans_again) == nodes_of(spans)


def test_node_loads_a_model_once_for_all_shards(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = []
    load = cache._load
    monkeypatch.setattr(cache, "_CACHE", cache.EncoderCache())
    monkeypatch.setattr(cache, "_load", lambda *of: loaded.append(of) or load(*of))
    for folder in ("first", "second"):
        shard = planned(draw_pictures(tmp_path / folder, 20))
        lineup = encoders(tiny_clip).lineup
        request = query.Request(planned_sources(shard), lineup, "cpu", ON_RAY)
        rows = query.planned_rows(request.sources)
        for operator in ("read", "decode", "forward"):
            rows = query.apply(pickle.loads(pickle.dumps(request)).settings, operator, rows)
            rows = rows.flatten() if operator == "decode" else rows
        embedded, _ = query.read_rows(rows)
        assert all(isinstance(row, EmbeddedChunk) for row in embedded)
    assert len(loaded) == 1


def test_shard_survives_a_worker_that_is_killed(
    cluster: LocalCluster, tiny_clip: Path, many: pa.Table
) -> None:
    on_ray(many.slice(0, 70), tiny_clip)
    killed: list[int] = []
    killer = threading.Thread(target=lambda: killed.append(cluster.kill_busy_worker()))
    killer.start()
    theirs, _ = on_ray(many, tiny_clip)
    killer.join()
    assert len(killed) == 1
    assert killed[0] not in cluster.workers()
    assert_same(theirs, here(many, tiny_clip))


def test_shard_survives_the_process_that_talks_to_ray(
    cluster: LocalCluster, tiny_clip: Path, many: pa.Table
) -> None:
    on_ray(many.slice(0, 70), tiny_clip)
    [driver] = drivers()
    answers: list[tuple[EmbeddedShard, list[Span]]] = []
    work = threading.Thread(target=lambda: answers.append(on_ray(many, tiny_clip)))
    work.start()
    eventually(lambda: cluster.workers("UDFProject"), PATIENCE_S, "a busy worker", pause_s=0.01)
    os.kill(driver, signal.SIGKILL)
    work.join()
    assert_same(answers[0][0], here(many, tiny_clip))
    assert drivers() != [driver]


def drivers() -> list[int]:
    children = psutil.Process().children()
    return [child.pid for child in children if "crossmodal.embedding.ray.driver" in child.cmdline()]


def test_model_that_a_node_cannot_find_is_told_of_as_on_this_machine(
    cluster: LocalCluster, tiny_clip: Path, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    model.symlink_to(tiny_clip)
    plan = planned(draw_pictures(tmp_path / "pictures", 4))
    lost = encoders(model)
    model.unlink()
    with pytest.raises(ModelUnavailable, match=f"there is no directory {model}") as failure:
        embed_shard(plan, lost, ON_RAY, lambda _: None, Heard())
    assert "ray::" in failure.value.__notes__[0], "it was not a node that missed it"


def test_cluster_that_is_not_there_is_told_of_soon_and_is_worth_a_later_try(
    tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    plan = planned(draw_pictures(tmp_path / "pictures", 2))
    started = time.monotonic()
    with pytest.raises(ConnectionError, match=f"the Ray cluster at {address} is lost") as failure:
        on_ray(plan, tiny_clip)
    assert is_transient(failure.value)
    assert time.monotonic() - started < 30


def test_forward_passes_go_to_the_nodes_that_have_a_gpu(
    tiny_clip: Path, many: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Ray believes what it is told of GPUs, so where the work goes can be seen without one.
    with local_cluster(tmp_path / "cluster", "gpu") as cluster:
        monkeypatch.setenv("RAY_ADDRESS", cluster.address)
        plan = many.slice(0, 300)
        _, anywhere = on_ray(plan, tiny_clip)
        theirs, spans = on_ray(plan, tiny_clip, "auto")
        assert len(nodes_of(anywhere)) == 2
        assert len(nodes_of(spans)) == 1
    assert_same(theirs, here(plan, tiny_clip))
