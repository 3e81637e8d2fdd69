"""``crossmodal index --runner ray`` keeps the ledger that one process keeps, whatever is killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.drawn import draw_pictures
from tests.process.watching import wait_for_vectors
from tests.scale.cluster import LocalCluster, local_cluster
from tests.scale.ledgers import assert_same, left_in
from tests.shell import Shell
from tests.waiting import PATIENCE_S

pytest.importorskip("ray", reason="the extra ray is not installed")
pytestmark = pytest.mark.process

NUM_PICTURES = 400
SHARD_SIZE = 70
BROKEN = {
    "empty.png": b"",
    "no_picture.jpg": b"this is no picture at all",
    "no_document.pdf": b"%PDF-1.7 and nothing more",
    "no_archive.docx": b"PK\x03\x04 cut off",
}
NOTE = "# Heading\n\n" + "some words of a note. " * 60
TABLE = "name,colour\n" + "".join(f"thing {row},blue\n" for row in range(40))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of pictures, texts and a table, among them what cannot be read."""
    folder = tmp_path_factory.mktemp("files")
    paths = draw_pictures(folder, NUM_PICTURES)
    for path in paths[40:50]:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for name, content in BROKEN.items():
        (folder / name).write_bytes(content)
    (folder / "note.md").write_text(NOTE)
    (folder / "table.csv").write_text(TABLE)
    return folder


@pytest.fixture(scope="module")
def options(files: Path, tiny_clip: Path) -> tuple[Any, ...]:
    sizes = ("--shard-size", SHARD_SIZE, "--min-coverage", 0.9)
    return ("index", files, "--model", tiny_clip, *sizes)


@pytest.fixture(scope="module")
def native(session_shell: Callable[[str], Shell], options: tuple[Any, ...]) -> Path:
    """Return the collection that one process makes of the files."""
    shell = session_shell("native")
    shell.run(*options)
    left = left_in(shell.collection)
    assert len(left.rows["quarantine"]) >= len(BROKEN)
    assert {row[5] for row in left.rows["chunk"]} == {"image", "text"}
    return shell.collection


@pytest.fixture
def on_ray(shell: Callable[..., Shell], shared_cluster: LocalCluster) -> Shell:
    """Return a shell whose commands find the session's cluster."""
    return with_cluster(shell("on_ray"), shared_cluster)


def with_cluster(shell: Shell, cluster: LocalCluster) -> Shell:
    return Shell(shell.collection, shell.environment | {"RAY_ADDRESS": cluster.address})


def runs(collection: Path) -> list[tuple[str, str]]:
    with duckdb.connect(str(collection), read_only=True) as con:
        return con.execute("SELECT state, message FROM run ORDER BY started_at").fetchall()


def test_flow_on_a_cluster_leaves_the_ledger_that_one_process_leaves(
    on_ray: Shell, options: tuple[Any, ...], native: Path
) -> None:
    done = on_ray.run(*options, "--runner", "ray", "--json")
    assert json.loads(done.stdout)["state"] == "completed"
    assert "ray" not in done.stderr.lower().replace("--runner ray", ""), "Ray has its say"
    assert_same(on_ray.collection, native)
    assert on_ray.json(*options, "--runner", "ray")["num_embedded"] == 0
    assert_same(on_ray.collection, native)


def test_run_completes_though_a_worker_is_killed(
    on_ray: Shell, options: tuple[Any, ...], native: Path, shared_cluster: LocalCluster
) -> None:
    run = on_ray.start(*options, "--runner", "ray", "--json")
    wait_for_vectors(run, on_ray.collection, 1)
    killed = shared_cluster.kill_busy_worker()
    out, err = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 0, err
    assert json.loads(out)["state"] == "completed"
    assert killed not in shared_cluster.workers()
    assert_same(on_ray.collection, native)


def test_run_that_loses_its_cluster_fails_and_the_next_does_what_is_left(
    shell: Callable[..., Shell], options: tuple[Any, ...], native: Path, tmp_path: Path
) -> None:
    alone = shell("on_ray")
    with local_cluster(tmp_path / "cluster") as cluster:
        hasty = alone.environment | {"RAY_gcs_rpc_server_reconnect_timeout_s": "5"}
        run = with_cluster(Shell(alone.collection, hasty), cluster).start(
            *options, "--runner", "ray", "--json"
        )
        wait_for_vectors(run, alone.collection, 1)
        cluster.kill()
        _, err = run.communicate(timeout=PATIENCE_S)
    assert run.returncode == 1
    assert f"the Ray cluster at {cluster.address} is lost" in err
    assert "Traceback" not in err
    [(state, message)] = runs(alone.collection)
    assert state == "failed"
    assert "the Ray cluster" in message
    num_committed, num_due = (
        len(left_in(collection).rows["chunk"]) for collection in (alone.collection, native)
    )
    assert 0 < num_committed < num_due
    assert alone.json(*options)["num_embedded"] == num_due - num_committed
    assert_same(alone.collection, native)
