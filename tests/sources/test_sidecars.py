"""What an archive's members and tables of metadata say of pictures: their own columns."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crossmodal.errors import PathError
from crossmodal.sources.own_columns import read_own_columns
from crossmodal.sources.sidecars import described_by
from tasks.columns import join_listed
from tests.sources.test_archives import pictures_table
from tests.sources.test_tars import add
from tests.sources.world import PNG, Planned, World


@pytest.fixture(autouse=True)
def _cache_of_this_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CROSSMODAL_CACHE", str(tmp_path / "cache"))


def shard(path: Path, samples: dict[str, dict[str, Any]], mtime_s: int = 1_000_000_000) -> Path:
    """Write a WebDataset's shard: a picture a sample, and what is said of it."""
    with tarfile.open(path, "w") as tar:
        for key, told in samples.items():
            add(tar, f"{key}.png", PNG + key.encode())
            for ending, value in told.items():
                text = value if isinstance(value, str) else json.dumps(value)
                add(tar, f"{key}.{ending}", text.encode())
    os.utime(path, (mtime_s, mtime_s))
    return path


def told(world: World) -> dict[str, dict[str, list[str]]]:
    """Return what is said of each source, by file name and column."""
    found: dict[str, dict[str, list[str]]] = {}
    with world.collection.read() as con:
        rows = con.execute("SELECT uri, name, value FROM own_column ORDER BY ALL").fetchall()
    for uri, name, value in rows:
        found.setdefault(uri.rpartition("/")[2], {}).setdefault(name, []).append(value)
    return found


def joined(world: World) -> tuple[Planned, list[str]]:
    """Index, and join what was found to say something; return the plan, and notes."""
    planned = world.run(archives=True)
    notes: list[str] = []
    join_listed(world.collection, planned.listing, notes)
    return planned, notes


SAMPLES = {
    "000": {"txt": "a red boat\non a lake", "cls": "3"},
    "deep/001": {"json": {"caption": "a dog", "tags": ["x", "y"], "size": {"w": 640}, "no": None}},
    "002": {},
}


def test_files_of_one_sample_describe_its_picture_and_are_no_sources(world: World) -> None:
    shard(world.folder / "0.tar", SAMPLES)
    planned, notes = joined(world)
    assert planned.embedded == {"000.png", "001.png", "002.png"}
    assert set(planned.rows) == planned.embedded
    assert told(world) == {
        "000.png": {"caption": ["a red boat on a lake"], "class": ["3"]},
        "001.png": {"caption": ["a dog"], "size.w": ["640"], "tags": ["x", "y"]},
    }
    assert notes == []


def test_changed_caption_is_read_again_and_nothing_is_embedded(world: World) -> None:
    shard(world.folder / "0.tar", SAMPLES)
    joined(world)
    shard(world.folder / "0.tar", SAMPLES | {"000": {"txt": "a blue boat"}}, 1_000_000_001)
    planned, _ = joined(world)
    assert planned.embedded == set()
    assert told(world)["000.png"] == {"caption": ["a blue boat"]}


def test_text_without_a_picture_of_its_name_is_a_text() -> None:
    names = ["a.txt", "b.jpg", "c.jpg", "c.seg.png", "c.txt", "d/c.json", "notes.tar.gz"]
    assert described_by(names) == {"c.txt": ["c.jpg", "c.seg.png"]}


def test_descriptions_that_are_none_are_counted_and_the_others_stand(world: World) -> None:
    samples = {
        "000": {"json": "{no json", "txt": "good"},
        "001": {"json": "[" * 100_000},
        "002": {"txt": "x" * 2_000_000},
        "003": {"json": {"deep": {"er": {"est": 1}}, "a=b": 1, "cap\0tion": "nul\0"}},
    }
    shard(world.folder / "0.tar", samples)
    _, notes = joined(world)
    assert told(world)["000.png"] == {"caption": ["good"]}
    assert "3 descriptions of members are no text or JSON below 1 MB" in notes[0]


def test_other_columns_of_a_parquet_row_are_the_picture_s_own(world: World) -> None:
    pq.write_table(pictures_table(["zero", None, "two"]), world.folder / "train.parquet")
    joined(world)
    assert told(world)["000000002.image.png"] == {
        "file_name": ["cats/2.png"],
        "label": ["cat"],
        "text": ["picture of two"],
    }


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_metadata_of_an_image_folder_becomes_columns(world: World, kind: str) -> None:
    world.put("train/a.png")
    world.put("train/deep/b.png")
    rows = [
        {"file_name": "a.png", "text": "a boat", "stars": 4},
        {"file_name": "deep/b.png", "text": "a dog", "stars": 5},
    ]
    write_table(world.folder / "train" / f"metadata.{kind}", rows)
    joined(world)
    assert told(world) == {
        "a.png": {"stars": ["4"], "text": ["a boat"]},
        "b.png": {"stars": ["5"], "text": ["a dog"]},
    }


def write_table(path: Path, rows: list[dict[str, Any]]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
        return
    lines = [json.dumps(row) for row in rows]
    if path.suffix == ".csv":
        lines = [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
    path.write_text("\n".join(lines))


def test_metadata_that_ends_in_the_middle_is_a_note_and_what_was_said_stays(world: World) -> None:
    world.put("a.png")
    table = world.folder / "metadata.jsonl"
    write_table(table, [{"file_name": "a.png", "text": "a boat"}])
    joined(world)
    table.write_text('{"file_name": "a.png", "te')
    _, notes = joined(world)
    assert "line 1: it is no JSON: it ends in the middle" in notes[0]
    assert told(world) == {"a.png": {"text": ["a boat"]}}


def test_columns_are_read_from_json_lines_and_parquet_too(tmp_path: Path) -> None:
    rows = [{"path": "a.jpg", "tags": ["x"], "ok": True}, {"path": "b.jpg", "late": 1.5}]
    table = tmp_path / "labels.jsonl"
    write_table(table, rows)
    found = read_own_columns(table).values.to_pylist()
    assert [tuple(each.values()) for each in found] == [
        (0, "tags", '["x"]'),
        (0, "ok", "true"),
        (1, "late", "1.5"),
    ]
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(PathError, match="no whole Parquet file"):
        read_own_columns(tmp_path / "broken.parquet")
    (tmp_path / "list.jsonl").write_text("[1]\n")
    with pytest.raises(PathError, match="no JSON object"):
        read_own_columns(tmp_path / "list.jsonl")
