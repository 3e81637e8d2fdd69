"""Regions of pictures are chunks beside the whole: searched, shown, hidden and joined with it."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossmodal.creation.duplicates import duplicates
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.read.hidden import hidden_chunks
from crossmodal.previews.preview import Subject, preview
from crossmodal.spaces.add import add_space
from crossmodal.spaces.fit import SpaceSpec
from flows.index import index
from flows.search import search
from tests.flows.conftest import pointed_at
from tests.moderation.hiding import hide, undo

pytestmark = pytest.mark.usefixtures("prefect")

NUM_REGIONS = 4


@pytest.fixture(scope="module")
def album_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two large pictures, of which one has a red corner, and a small one."""
    folder = tmp_path_factory.mktemp("album")
    draw = np.random.default_rng(0)
    for name in ("corner", "plain"):
        noise = Image.fromarray(draw.integers(0, 90, (8, 8, 3), np.uint8))
        picture = noise.resize((256, 256), Image.Resampling.BICUBIC)
        if name == "corner":
            picture.paste((220, 10, 10), (160, 160, 256, 256))
        picture.save(folder / f"{name}.png")
    Image.new("RGB", (20, 20), (10, 200, 10)).save(folder / "small.png")
    return folder


@pytest.fixture(scope="module")
def indexed_once(
    album_once: Path, tmp_path_factory: pytest.TempPathFactory, tiny_clip: Path, prefect_server: str
) -> Path:
    """Return a collection of that folder, of a picture like one of them too, with regions."""
    plain = Image.open(album_once / "plain.png")
    path = tmp_path_factory.mktemp("regions") / "album.duckdb"
    again = shutil.copytree(album_once, path.with_name("album")) / "again.webp"
    plain.save(again, quality=90)
    with pointed_at(prefect_server):
        index(collection=str(path), paths=[str(again.parent)], model=str(tiny_clip), regions=2)
    return path


@pytest.fixture
def indexed(indexed_once: Path, tmp_path: Path) -> str:
    return str(shutil.copyfile(indexed_once, tmp_path / "regions.duckdb"))


@pytest.fixture
def asked(album_once: Path, tmp_path: Path, tiny_clip: Path) -> dict[str, Any]:
    folder = shutil.copytree(album_once, tmp_path / "album")
    collection = str(tmp_path / "album.duckdb")
    return {"collection": collection, "paths": [str(folder)], "model": str(tiny_clip)}


def kinds(collection: str) -> dict[str, int]:
    with Collection(collection).read() as con:
        found = con.execute("SELECT kind, count(*) FROM chunk GROUP BY ALL").fetchall()
    return dict(found)


def test_regions_get_vectors_once_and_the_collection_remembers_them(asked: dict[str, Any]) -> None:
    where = {key: asked[key] for key in ("collection", "paths")}
    assert index(**asked)["num_embedded"] == 3
    report = index(**where, regions=2)
    assert (report["counts"]["changed"], report["num_embedded"]) == (3, 3 + 2 * NUM_REGIONS)
    assert kinds(where["collection"]) == {"image": 3, "region": 2 * NUM_REGIONS}
    assert index(**where)["num_embedded"] == 0
    index(**where, regions=0)
    assert kinds(where["collection"]) == {"image": 3}


def test_hit_is_a_picture_that_says_and_shows_where_it_matches(
    indexed: str, tmp_path: Path
) -> None:
    Image.new("RGB", (64, 64), (220, 10, 10)).save(tmp_path / "red.png")
    query: dict[str, Any] = {"collection": indexed, "image": str(tmp_path / "red.png"), "k": 99}
    hits = search(**query)["hits"]
    parts = search(**query, group=False)["hits"]
    assert sorted(Path(hit["uri"]).stem for hit in hits) == ["again", "corner", "plain", "small"]
    assert len(parts) == 4 + 3 * NUM_REGIONS
    lower_right = [hit for hit in parts if hit["meta"].get("box") == [0.4286, 0.4286, 1.0, 1.0]]
    part, meta = lower_right[0], lower_right[0]["meta"]
    assert (part["kind"], len(lower_right)) == ("region", 3)
    assert (meta["width"], meta["height"]) == (256, 256), "filters mean the picture"
    subject = Subject(kind="region", media_type="image/png", uri=part["uri"], meta=meta)
    shown = Image.open(io.BytesIO(preview(subject, Path(part["uri"]).read_bytes(), 100)))
    assert shown.size == (100, 100)
    whole = Image.open(part["uri"]).crop((110, 110, 256, 256)).resize((100, 100))
    difference = np.abs(np.asarray(shown.convert("RGB"), int) - np.asarray(whole, int))
    assert difference.mean() < 12


def test_whole_and_regions_are_hidden_together(indexed: str) -> None:
    collection = Collection(indexed)
    with collection.read() as con:
        rows = con.execute(
            "SELECT chunk_id, kind, content_hash FROM chunk ORDER BY chunk_id"
        ).fetchall()
    content = next(content for _, kind, content in rows if kind == "region")
    together = {chunk_id for chunk_id, _, of in rows if of == content}
    assert len(together) == 1 + NUM_REGIONS
    for chunk_id in (min(together), max(together)):
        [number] = hide(collection, chunk_id)
        with collection.read() as con:
            assert set(hidden_chunks(con)) == together
        undo(collection, number)


def test_pictures_with_regions_are_still_told_to_be_alike(indexed: str) -> None:
    found = duplicates(indexed, ways=("meaning",))
    alike = {Path(uri).name for g in found.groups for uri in (g.keeper, *(o.uri for o in g.others))}
    assert {"plain.png", "again.webp"} <= alike


def test_regions_are_nodes_that_a_picture_takes_from(indexed: str) -> None:
    added = add_space(indexed, SpaceSpec(kind="propagation", name="spread"))
    with Collection(indexed).read() as con:
        joined = con.execute(
            "SELECT count(*) FROM space_edge e JOIN chunk a ON a.chunk_id = e.chunk_id "
            "JOIN chunk b ON b.chunk_id = e.neighbour_id "
            "WHERE e.model_version_id = ? AND a.kind = 'image' AND b.kind = 'region'",
            [added.id],
        ).fetchone()
    assert joined == (3 * NUM_REGIONS,)
