"""`verify` reads the search cache to its last byte."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crossmodal.vectors.ann.verify import verify_cache
from tests.vectors.ann_world import World, cloud, make_world


@pytest.fixture
def coded(tmp_path: Path) -> World:
    world = make_world(tmp_path / "w.duckdb", cloud(2000))
    world.update()
    return world


def test_sound_cache_has_no_problem_and_is_read_whole(coded: World) -> None:
    found = verify_cache(coded.collection)
    assert found.problems == []
    files = list(coded.folder.glob("*.bin"))
    assert found.num_files == len(files)
    assert found.num_bytes == pytest.approx(sum(f.stat().st_size for f in files), rel=0.5)


def test_flipped_byte_in_any_file_of_the_cache_is_found(coded: World) -> None:
    for path in sorted([*coded.folder.glob("*.bin"), *coded.folder.glob("*.json")]):
        sound = path.read_bytes()
        for place in (10, len(sound) // 3, len(sound) - 2):
            if sound[place] == 0 and path.suffix == ".bin":
                continue  # between two arrays, where nothing lies, there are only zeros
            damaged = bytearray(sound)
            damaged[place] ^= 0xFF
            path.write_bytes(damaged)
            (problem,) = verify_cache(coded.collection).problems
            assert "vector_1_image is damaged" in problem
        path.write_bytes(sound)
    assert verify_cache(coded.collection).problems == []


def test_missing_file_is_found_but_a_missing_cache_is_no_fault(coded: World) -> None:
    next(coded.folder.glob("segment-*.bin")).unlink()
    assert len(verify_cache(coded.collection).problems) == 1
    shutil.rmtree(coded.folder)
    assert verify_cache(coded.collection).problems == []
