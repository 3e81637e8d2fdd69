from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from crossmodal.creation import mapping
from crossmodal.creation.draw_map import SIZE, draw_map, write_map_png
from crossmodal.creation.layout import Layout, laid_out, names_of, placed
from crossmodal.creation.mapping import CollectionMap, update_map
from crossmodal.errors import PathError
from crossmodal.ledger.collection import Collection
from tests.recommendation.conftest import kinds

__all__ = ["kinds"]


@pytest.fixture
def mine(kinds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a collection of one's own; its model is no more than a name, so names are numbers."""
    monkeypatch.setattr(mapping, "_names", _numbered)
    return Path(shutil.copy(kinds, tmp_path / "mine.duckdb"))


def _numbered(_version: object, _anchors: object, layout: Layout, _device: str) -> dict[int, str]:
    return {int(number): f"cluster {number}" for number in np.unique(layout.clusters)}


def spread_and_gap(found: CollectionMap, path: Path) -> tuple[float, float]:
    """Return the mean distance within a kind and between kinds, on paper."""
    with Collection(path).read() as con:
        rows = con.execute(
            "SELECT c.chunk_id, split_part(s.uri, '/', 2) FROM chunk c JOIN source s USING "
            "(content_hash)"
        ).fetchall()
    kind = dict(rows)
    labels = np.array([kind[number] for number in found.points.chunk_ids.tolist()])
    gaps = np.linalg.norm(found.points.places[:, None] - found.points.places[None], axis=2)
    same = labels[:, None] == labels[None, :]
    return float(gaps[same].mean()), float(gaps[~same].mean())


def test_what_is_alike_lies_together_whatever_its_modality(mine: Path) -> None:
    found = update_map(str(mine))
    assert len(found.points.chunk_ids) == found.num_placed == 90
    within, between = spread_and_gap(found, mine)
    assert between > 1.5 * within


def test_a_second_run_moves_nothing(mine: Path) -> None:
    first = update_map(str(mine))
    again = update_map(str(mine))
    assert again.num_placed == again.num_gone == 0
    assert np.array_equal(again.points.places, first.points.places)
    assert again.names == first.names


def test_what_is_gone_leaves_and_what_is_new_finds_its_place(mine: Path) -> None:
    first = update_map(str(mine))
    back = int(first.points.chunk_ids[0])
    with Collection(mine).write() as con:
        kept = con.execute("SELECT * FROM vector_1_image WHERE chunk_id = ?", [back]).fetchall()
        con.execute("DELETE FROM vector_1_image WHERE chunk_id = ?", [back])
    assert update_map(str(mine)).num_gone == 1
    with Collection(mine).write() as con:
        con.executemany("INSERT INTO vector_1_image VALUES (?, ?, ?, ?, ?)", kept)
    third = update_map(str(mine))
    assert third.num_placed == 1
    assert np.array_equal(third.points.places[1:], first.points.places[1:])
    near = np.linalg.norm(third.points.places[0] - first.points.places[0])
    assert near < np.ptp(first.points.places[:, 0]) / 2


def test_the_picture_shows_every_cluster_by_name(mine: Path, tmp_path: Path) -> None:
    found = update_map(str(mine))
    picture = draw_map(found)
    assert picture.size == SIZE
    assert len(picture.getcolors(1 << 24) or []) > len(found.names)
    write_map_png(found, tmp_path / "new" / "map.png")
    assert (tmp_path / "new" / "map.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "file").write_text("")
    with pytest.raises(PathError, match="cannot write the map"):
        write_map_png(found, tmp_path / "file" / "map.png")


@pytest.mark.parametrize("num", [0, 1, 4, 6])
def test_few_vectors_are_laid_out_too(num: int) -> None:
    vectors = np.eye(8, dtype=np.float32)[:num]
    layout = laid_out(vectors, 2)
    assert layout.places.shape == (num, 2)
    assert np.isfinite(layout.places).all()


def test_an_anchor_that_is_placed_again_stays_where_it_is() -> None:
    vectors = np.eye(8, dtype=np.float32)
    layout = Layout(np.arange(16, dtype=np.float32).reshape(8, 2), np.arange(8, dtype=np.int32))
    again = placed(vectors, vectors, layout)
    assert np.allclose(again.places, layout.places, atol=0.01)
    assert np.array_equal(again.clusters, layout.clusters)


def test_clusters_are_named_by_what_sets_them_apart() -> None:
    words = np.eye(4, dtype=np.float32)
    centres = np.array([[0.5, 0.6, 0, 0], [0, 0.6, 0.5, 0]], np.float32)
    assert names_of(centres, words, ["dog", "animal", "cat", "car"]) == [
        "dog, animal",
        "cat, car",
    ]
