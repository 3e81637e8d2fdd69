from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from crossmodal.vectors.ann import update as updating
from crossmodal.vectors.ann.cache import CodesFolder, Ready
from crossmodal.vectors.ann.files import Manifest, map_arrays
from crossmodal.vectors.search import SearchRequest, find
from tests.vectors.ann_world import DIM, World, assert_alike, cloud, make_world

POINTS = cloud(1500)
QUERIES = cloud(12, seed=5)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path / "c.duckdb", POINTS)


@pytest.fixture
def coded(world: World) -> World:
    assert world.update().action == "built"
    return world


def assert_found_by_codes(world: World) -> None:
    """Assert that a fresh process uses the codes and finds exactly what exact search finds."""
    for query in QUERIES:
        found = world.answer(query, k=15)
        assert (found.notice.method, found.notice.reason) == ("codes", "")
        assert_alike(found.hits, world.exact(query, k=15))


def assert_found_exactly(world: World, reason: str) -> None:
    found = world.answer(QUERIES[0], k=15)
    assert found.notice.method == "exact"
    assert reason in found.notice.reason
    assert found.hits == world.exact(QUERIES[0], k=15)


def test_a_list_with_few_vectors_has_no_codes(world: World) -> None:
    updated = updating.update_codes(world.collection, world.vectors)
    assert updated.action == "none"
    assert not world.folder.exists()
    assert_found_exactly(world, "")


def test_codes_find_what_exact_search_finds(coded: World) -> None:
    assert_found_by_codes(coded)


def test_an_update_without_news_writes_nothing(coded: World) -> None:
    def files() -> dict[str, int]:
        paths = [*coded.folder.glob("*.bin"), *coded.folder.glob("*.json")]
        return {path.name: path.stat().st_mtime_ns for path in paths}

    before = files()
    assert coded.update().action == "current"
    assert files() == before


def test_vectors_newer_than_the_codes_are_found_before_and_after_the_update(coded: World) -> None:
    coded.add(np.concatenate([QUERIES, cloud(100, seed=8)]))
    assert_found_by_codes(coded)
    assert coded.answer(QUERIES[3], k=1).hits[0].chunk_id == len(POINTS) + 4
    updated = coded.update()
    assert (updated.action, updated.num_added, updated.num_forgotten) == ("updated", 112, 0)
    assert_found_by_codes(coded)


def test_deleted_vectors_are_not_found_before_nor_after_the_update(coded: World) -> None:
    gone = [hit.chunk_id for query in QUERIES for hit in coded.exact(query, k=20)]
    coded.delete(*gone)
    assert_found_by_codes(coded)
    updated = coded.update()
    assert (updated.action, updated.num_forgotten) == ("updated", len(set(gone)))
    assert_found_by_codes(coded)


def test_a_vector_that_was_written_anew_counts_once_and_where_it_is_now(coded: World) -> None:
    (nearest,) = coded.exact(QUERIES[0], k=1)
    coded.delete(nearest.chunk_id)
    table = "vector_1_image"
    moved = np.ascontiguousarray(-QUERIES[0])
    coded.run(
        f"INSERT INTO {table} (chunk_id, run_id, v) VALUES (?, 'run', ?::FLOAT[{DIM}])",
        nearest.chunk_id,
        moved,
    )
    for _ in range(2):
        assert_found_by_codes(coded)
        (hit,) = coded.answer(moved, k=1).hits
        assert hit.chunk_id == nearest.chunk_id
        coded.update()


def test_many_small_updates_are_merged(coded: World) -> None:
    for seed in range(9):
        coded.add(cloud(20, seed=100 + seed))
        coded.update()
    assert len(list(coded.folder.glob("segment-*"))) < 9
    assert_found_by_codes(coded)


def test_mostly_deleted_segments_are_written_anew(coded: World) -> None:
    before = coded.update().size_bytes
    coded.delete(*range(1, 1001))
    assert coded.update().size_bytes < before / 2
    assert_found_by_codes(coded)


def test_a_list_that_doubled_is_learnt_anew(coded: World) -> None:
    coded.add(cloud(1600, seed=9))
    updated = coded.update()
    assert updated.action == "built"
    assert "grew from 1500 to 3100" in updated.detail
    assert_found_by_codes(coded)


def test_a_list_that_shrank_gives_up_its_codes(coded: World) -> None:
    coded.delete(*range(1, 1400))
    assert updating.update_codes(coded.collection, coded.vectors, 200).action == "updated"
    assert updating.update_codes(coded.collection, coded.vectors, 300).action == "none"
    assert not list(coded.folder.glob("*.bin"))
    assert_found_exactly(coded, "")


def test_only_the_files_of_the_valid_generation_stay(coded: World) -> None:
    coded.add(cloud(10, seed=3))
    coded.update()
    assert len(list(coded.folder.glob("manifest-*.json"))) == 1
    assert not list(coded.folder.glob("*.part"))


@pytest.mark.parametrize("kind", ["segment", "ids", "basis", "manifest"])
@pytest.mark.parametrize("damage", ["missing", "cut off", "changed"])
def test_damaged_codes_are_noticed_and_built_anew(coded: World, kind: str, damage: str) -> None:
    (path,) = coded.folder.glob(f"{kind}-*")
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "cut off":
        path.write_bytes(content[: len(content) // 3])
    else:
        path.write_bytes(content[:40] + bytes([content[40] ^ 1]) + content[41:])
    assert_found_exactly(coded, "the next run builds it again")
    assert coded.update().action == "built"
    assert_found_by_codes(coded)


@pytest.mark.parametrize("name", ["codes", "rests", "steps", "checksums"])
def test_a_byte_that_changed_since_the_codes_were_opened_makes_no_score(
    coded: World, name: str
) -> None:
    opened = CodesFolder(coded.collection.path)
    (hit,) = coded.answer(QUERIES[0], k=1).hits
    with coded.collection.read() as con:
        ready = opened.ready(con, coded.vectors)
    assert isinstance(ready, Ready)
    change_row(coded, ready.codes.manifest, name, hit.chunk_id)
    with coded.collection.read() as con:
        request = SearchRequest(coded.vectors, QUERIES[0], k=15)
        found = find(con, request, opened)
    assert found.notice.method == "exact"
    assert "the next run builds it again" in found.notice.reason
    assert found.hits == coded.exact(QUERIES[0], k=15)
    assert_found_exactly(coded, "a search found the codes damaged")
    assert coded.update().action == "built"
    assert_found_by_codes(coded)


def change_row(world: World, manifest: Manifest, name: str, chunk_id: int) -> None:
    """Change a byte of what a segment says of a chunk."""
    (files,) = manifest.segments
    ids = map_arrays(world.folder, files.ids)["ids"]
    (row,) = np.flatnonzero(ids == chunk_id)
    array = files.codes.arrays[name]
    with (world.folder / files.codes.name).open("r+b") as file:
        file.seek(array.offset + int(row) * array.num_bytes // len(ids))
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))


def test_codes_of_a_collection_that_was_replaced_are_not_used(coded: World, tmp_path: Path) -> None:
    other = make_world(tmp_path / "other.duckdb", cloud(1500, seed=77))
    other.collection.path.replace(coded.collection.path)
    assert_found_exactly(coded, "")
    assert coded.update().action == "built"
    assert_found_by_codes(coded)


def test_codes_of_a_later_state_are_not_used_by_a_restored_collection(coded: World) -> None:
    saved = coded.collection.path.read_bytes()
    coded.add(cloud(40, seed=4))
    coded.update()
    coded.collection.path.write_bytes(saved)
    assert_found_exactly(coded, "cannot be read")
    assert coded.update().action == "built"
    assert_found_by_codes(coded)


def test_too_many_newer_vectors_are_said_to_be_so(
    coded: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crossmodal.vectors.ann.cache.MAX_TAIL", 50)
    coded.add(cloud(51, seed=6))
    assert_found_exactly(coded, "51 vectors are newer than the codes")


def test_a_folder_that_cannot_be_written_is_no_error(world: World) -> None:
    blocker = world.folder.parent
    blocker.write_text("a file where the folder should be")
    updated = world.update()
    assert updated.action == "failed"
    assert str(world.folder) in updated.detail
    assert_found_exactly(world, "")


def test_equal_vectors_have_codes_too(tmp_path: Path) -> None:
    world = make_world(tmp_path / "c.duckdb", np.repeat(POINTS[:1], 300, axis=0))
    assert world.update().action == "built"
    hits = world.answer(POINTS[0], k=5).hits
    assert [hit.chunk_id for hit in hits] == [1, 2, 3, 4, 5]
    assert_alike(hits, world.exact(POINTS[0], k=5))


_SEARCHER = """
import sys
import numpy as np
from crossmodal.records import VectorList
from crossmodal.ledger.write import model_versions
from crossmodal.vectors.ann.cache import CodesFolder
from crossmodal.ledger.collection import Collection
from crossmodal.vectors.search import SearchRequest, find
from tests.vectors.ann_world import alike

collection = Collection(sys.argv[1])
codes = CodesFolder(collection.path)
queries = np.load(sys.argv[2])
methods, wrong = [], 0
print("ready", flush=True)
while len(methods) < 500:
    with collection.read() as con:
        vectors = VectorList(model_versions.all_versions(con)[0], "image")
        request = SearchRequest(vectors, queries[len(methods) % len(queries)], k=12)
        found = find(con, request, codes)
        wrong += not alike(found.hits, find(con, request).hits)
        methods.append(found.notice.method)
    if (collection.path.parent / "stop").exists():
        break
print(wrong, methods.count("codes"), methods.count("exact"))
"""


def test_another_process_finds_the_right_hits_while_codes_are_updated(coded: World) -> None:
    queries = coded.collection.path.parent / "queries.npy"
    np.save(queries, QUERIES)
    command = [sys.executable, "-c", _SEARCHER, str(coded.collection.path), str(queries)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as searcher:
        assert searcher.stdout is not None
        assert searcher.stdout.readline() == "ready\n"
        for turn in range(4):
            coded.add(cloud(30, seed=turn))
            coded.delete(*range(1 + 20 * turn, 21 + 20 * turn))
            assert coded.update().action == "updated"
        (coded.collection.path.parent / "stop").touch()
        wrong, by_codes, exactly = map(int, searcher.stdout.read().split())
    assert (wrong, exactly) == (0, 0)
    assert by_codes > 0


_KILLED = """
import os, signal, sys
from crossmodal.records import VectorList
from crossmodal.ledger.write import model_versions
from crossmodal.vectors.ann import update
from crossmodal.ledger.collection import Collection

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

setattr(update, sys.argv[2], die)
collection = Collection(sys.argv[1])
with collection.read() as con:
    vectors = VectorList(model_versions.all_versions(con)[0], "image")
update.update_codes(collection, vectors, min_vectors=1)
"""


@pytest.mark.parametrize(
    ("step", "had_codes"),
    [
        ("write_manifest", False),
        ("encode", True),
        ("write_manifest", True),
        ("put_codes", True),
        ("sweep", True),
    ],
)
def test_an_update_that_is_killed_leaves_old_codes_or_new_ones(
    world: World, step: str, had_codes: bool
) -> None:
    if had_codes:
        world.update()
        world.add(cloud(60, seed=2))
    command = [sys.executable, "-c", _KILLED, str(world.collection.path), step]
    root = Path(__file__).parents[2]
    killed = subprocess.run(command, cwd=root, capture_output=True, timeout=60, check=False)
    assert killed.returncode == -9, killed.stderr.decode()
    for query in QUERIES[:3]:
        assert_alike(world.answer(query).hits, world.exact(query))
    world.update()
    assert_found_by_codes(world)
    assert len(list(world.folder.glob("manifest-*.json"))) == 1
    assert not list(world.folder.glob("*.part"))
