"""Pictures that a file tells a caption of are found by its words, and show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.words.bm25 import match
from crossmodal.ledger.words.captions import captions_of
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.own_columns import put_own_columns
from crossmodal.records import Hit, Lineup
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from crossmodal.sources.own_columns import read_own_columns
from tests.search.test_words import TEXTS, in_hybrid, write
from tests.sources.test_archives import pictures_table
from tests.sources.test_sidecars import joined, shard, write_table
from tests.sources.world import World

SAMPLES = {
    "000": {"txt": "a red boat on a lake", "cls": "3"},
    "001": {"json": {"caption": "two dogs run", "sha256": "unsearchable"}},
    "002": {},
}
_TOLD = "SELECT uri, num_words, terms, tfs FROM caption_words ORDER BY ALL"


@pytest.fixture(autouse=True)
def _cache_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def hits(world: World, text: str) -> list[Hit]:
    """Return what the words of a text find; no model is loaded for it."""
    with world.collection.write() as con:
        model_versions.set_live(con, Lineup.of(model_versions.all_versions(con)[0]))
    options = QueryOptions(collection=str(world.collection.path), mode="words")
    return SearchService(world.collection).ask(Query(text=text), options).hits


def found(world: World, text: str) -> list[str]:
    return [hit.uri.rpartition("/")[2] for hit in hits(world, text)]


def told(collection: Collection) -> list[Any]:
    with collection.read() as con:
        return con.execute(_TOLD).fetchall()


def test_a_sample_s_picture_is_found_by_the_words_of_its_caption_and_shows_it(
    world: World,
) -> None:
    shard(world.folder / "0.tar", SAMPLES)
    joined(world)
    [boat] = hits(world, "boats")
    assert boat.uri.endswith("0.tar/000.png")
    assert boat.snippet == "a red boat on a lake"
    assert found(world, "running dog") == ["001.png"]
    assert found(world, '"red boat on"') == ["000.png"]
    assert found(world, "unsearchable") == [], "a hash is no caption"


def test_a_parquet_row_s_and_an_image_folder_s_captions_are_found(world: World) -> None:
    pq.write_table(pictures_table(["zero", None, "two"]), world.folder / "train.parquet")
    world.put("a.png")
    write_table(world.folder / "metadata.jsonl", [{"file_name": "a.png", "text": "a heron"}])
    joined(world)
    assert found(world, "herons") == ["a.png"]
    assert "000000002.image.png" in found(world, "picture of two")


def test_a_changed_caption_changes_the_words_and_embeds_nothing(world: World) -> None:
    shard(world.folder / "0.tar", SAMPLES)
    joined(world)
    others = told(world.collection)[1:]
    changed = SAMPLES | {"000": {"txt": "a blue ship", "cls": "3"}}
    shard(world.folder / "0.tar", changed, 1_000_000_001)
    planned, _ = joined(world)
    assert planned.embedded == set()
    assert found(world, "boat") == []
    assert found(world, "ship") == ["000.png"]
    assert told(world.collection)[1:] == others


def test_words_of_captions_go_with_the_caption_and_with_the_source(world: World) -> None:
    world.put("a.png")
    world.put("b.png")
    table = world.folder / "metadata.jsonl"
    rows = [{"file_name": "a.png", "text": "a heron"}, {"file_name": "b.png", "text": "a heron"}]
    write_table(table, rows)
    joined(world)
    assert found(world, "heron") == ["a.png", "b.png"]
    (world.folder / "b.png").unlink()
    joined(world)
    assert found(world, "heron") == ["a.png"]
    write_table(table, [{"file_name": "a.png", "stars": 4}])
    joined(world)
    assert found(world, "heron") == []
    assert told(world.collection) == []


def test_a_renamed_picture_keeps_the_words_that_follow_it(world: World) -> None:
    world.put("a.png")
    table = world.folder / "metadata.jsonl"
    write_table(table, [{"file_name": "a.png", "text": "a heron"}])
    joined(world)
    (world.folder / "a.png").rename(world.folder / "c.png")
    write_table(table, [{"file_name": "c.png", "text": "a heron"}])
    planned, _ = joined(world)
    assert planned.embedded == set()
    assert found(world, "heron") == ["c.png"]


def test_words_and_captions_are_written_together_or_not_at_all(world: World) -> None:
    world.put("a.png")
    table = world.home / "own.jsonl"
    write_table(table, [{"path": "a.png", "caption": "a heron"}])
    joined(world)
    columns = read_own_columns(table)

    def put_and_fail() -> None:
        with world.collection.write() as con:
            put_own_columns(con, columns)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        put_and_fail()
    assert told(world.collection) == []
    assert world.column("SELECT value FROM own_column") == []
    with world.collection.write() as con:
        put_own_columns(con, columns)
    assert found(world, "heron") == ["a.png"]


def test_several_captions_of_one_picture_are_all_found_and_the_nearest_is_shown(
    world: World,
) -> None:
    world.put("a.png")
    table = world.folder / "metadata.csv"
    captions = ["a grey heron", "a bird by the water", "a grey heron"]
    write_table(table, [{"file_name": "a.png", "caption": caption} for caption in captions])
    joined(world)
    assert [hit.snippet for hit in hits(world, "water")] == ["a bird by the water"]
    assert [hit.snippet for hit in hits(world, "herons")] == ["a grey heron"]


def test_captions_of_older_collections_are_counted_by_the_next_run(world: World) -> None:
    shard(world.folder / "0.tar", SAMPLES)
    joined(world)
    with world.collection.write() as con:
        con.execute("DROP TABLE caption_words; DELETE FROM schema_migration WHERE version >= 33")
    planned, _ = joined(world)
    assert planned.embedded == set()
    assert found(world, "boats") == ["000.png"]


def test_in_hybrid_pictures_equally_near_stand_by_the_words_of_their_captions(
    tmp_path: Path,
) -> None:
    collection = Collection(tmp_path / "c.duckdb")
    write(collection, TEXTS)  # as pictures, of which no text counts in the list of images
    table = tmp_path / "own.jsonl"
    captions = ["boats were moored", "a heron on a boat", "a bridge", "a dog", "grass"]
    rows = [{"path": uri, "caption": told} for uri, told in zip(TEXTS, captions, strict=True)]
    write_table(table, rows)
    with collection.write() as con:
        con.execute("UPDATE chunk SET modality = 'image', text = '', section = ''")
        con.execute("DELETE FROM posting")
        put_own_columns(con, read_own_columns(table))
    plain, counted = in_hybrid(collection, "image", "moored boats")
    assert plain.merits is not None
    assert counted.merits is not None
    best = counted.hits[int(np.argmax(counted.merits))]
    assert best.uri == "/parts/pumps.txt"
    assert counted.merits.max() > plain.merits.max()
    assert in_hybrid(collection, "image", "sleeping cats")[1].merits.tolist() == pytest.approx(
        plain.merits.tolist()
    )
    write_table(table, rows[:2])
    with collection.write() as con:
        put_own_columns(con, read_own_columns(table))
    plain, counted = in_hybrid(collection, "image", "moored boats")
    assert counted is plain, "most have no caption, and would be pushed down"


def test_what_files_tell_of_texts_is_no_caption(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "c.duckdb")
    write(collection, TEXTS, media_type="text/plain")
    table = tmp_path / "own.csv"
    write_table(table, [{"path": "/parts/pumps.txt", "title": "heron"}])
    with collection.write() as con:
        put_own_columns(con, read_own_columns(table))
        assert match(con, "heron").chunk_ids.tolist() == []
        [chunk_id] = con.execute("SELECT chunk_id FROM chunk WHERE text LIKE '%pump%'").fetchone()
        assert captions_of(con, [chunk_id]) == {}
