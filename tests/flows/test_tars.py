"""The index flow over a tar of pictures, with a real server and a random CLIP."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import crossmodal
from flows.index import index

pytestmark = pytest.mark.usefixtures("prefect")


def test_pictures_in_a_tar_are_indexed_found_and_shown(
    pictures: Path, tiny_clip: Path, tmp_path: Path
) -> None:
    tar, collection = tmp_path / "shards" / "0.tar", tmp_path / "c.duckdb"
    tar.parent.mkdir()
    with tarfile.open(tar, "w") as packed:
        packed.add(pictures, ".")
    given = {"collection": str(collection), "paths": [str(tar.parent)], "archives": True}
    report = index(**given, model=str(tiny_clip))
    assert report["counts"] == {"added": 12}
    assert index(**given)["counts"] == {"unchanged": 12}
    wanted = sorted(pictures.iterdir())[0]
    hits = crossmodal.open(collection, device="cpu").search(image=wanted, k=3)
    assert hits[0].path == f"{tar}/{wanted.name}"
    assert "data:image" in hits._repr_html_()


def test_captions_of_a_shard_and_of_a_parquet_file_filter_a_search(
    pictures: Path, tiny_clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSMODAL_CACHE", str(tmp_path / "cache"))
    folder, collection = tmp_path / "sets", tmp_path / "c.duckdb"
    folder.mkdir()
    first, second, third = sorted(pictures.iterdir())[:3]
    caption = tmp_path / "caption.txt"
    caption.write_text("a red boat")
    with tarfile.open(folder / "0.tar.gz", "w:gz") as packed:
        packed.add(first, "000.png")
        packed.add(caption, "000.txt")
        packed.add(second, "001.png")
    cell = {"bytes": third.read_bytes(), "path": "third.png"}
    pq.write_table(pa.table({"image": [cell], "label": ["boat"]}), folder / "train.parquet")
    given = {"collection": str(collection), "paths": [str(folder)], "archives": True}
    assert index(**given, model=str(tiny_clip))["counts"] == {"added": 3}
    opened = crossmodal.open(collection, device="cpu")
    (hit,) = opened.search("anything", where="caption=*boat*")
    assert hit.path == f"{folder}/0.tar.gz/000.png"
    (hit,) = opened.search("anything", where="label=boat")
    assert hit.path == f"{folder}/train.parquet/000000000.image.png"
    assert index(**given)["counts"] == {"unchanged": 3}
