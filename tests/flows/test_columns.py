"""Columns of tables and of a user's own CSV, from the index flow to a search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crossmodal.errors import PathError
from crossmodal.ledger.collection import Collection
from flows.index import index
from flows.search import search
from tests.drawn import draw_pictures

pytestmark = pytest.mark.usefixtures("prefect")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with five pictures, one of which tells when it was taken, and a table."""
    folder = tmp_path / "things"
    draw_pictures(folder, 4)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2023:07:01 12:30:00"
    Image.new("RGB", (90, 60), "red").save(folder / "beach.jpg", exif=exif)
    (folder / "cars.csv").write_text("make,year\nAudi,2012\nBMW,1999\n")
    return folder


@pytest.fixture
def collection(tmp_path: Path) -> str:
    return str(tmp_path / "c.duckdb")


def found(collection: str, *where: str) -> set[str]:
    answer = search(collection=collection, text="a thing", k=50, where=list(where))
    return {Path(hit["uri"]).name for hit in answer["hits"]}


def test_columns_are_joined_changed_and_told_without_a_forward_pass(
    folder: Path, collection: str, tmp_path: Path, tiny_clip: Path
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("path,label,year\nbeach.jpg,holiday,2015\nnowhere.jpg,gone,2000\n")
    given: dict[str, Any] = {"collection": collection, "paths": [str(folder)]}
    first = index(**given, model=str(tiny_clip), columns=[str(labels)])
    (joined,) = first["columns"]
    assert (joined["num_joined"], joined["num_unknown"]) == (1, 1)
    assert any("1 name no source of the collection" in note for note in first["messages"])
    assert found(collection, "label=holiday") == {"beach.jpg"}
    assert found(collection, "year>=2010") == {"beach.jpg", "cars.csv"}
    assert found(collection, "year>=2010", "make=BMW") == set()
    assert found(collection, "taken=2023-07") == {"beach.jpg"}
    assert found(collection, "width>=90", "width<91") == {"beach.jpg"}

    again = index(**given, columns=[str(labels)])
    assert again["num_embedded"] == 0
    assert again["columns"][0]["num_joined"] == 1

    labels.write_text("path,label\nbeach.jpg,work\n")
    changed = index(**given, columns=[str(labels)])
    assert changed["num_embedded"] == 0
    assert found(collection, "label=work") == {"beach.jpg"}
    assert found(collection, "label=holiday") == set()
    assert found(collection, "year>=2010") == {"cars.csv"}

    index(**given)  # a run that names no columns leaves them as they are
    assert found(collection, "label=work") == {"beach.jpg"}


def test_a_wrong_table_is_told_before_anything_is_embedded(
    folder: Path, collection: str, tmp_path: Path, tiny_clip: Path
) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("label\nred\n")
    with pytest.raises(PathError, match="no column of paths"):
        index(
            collection=collection, paths=[str(folder)], model=str(tiny_clip), columns=[str(wrong)]
        )
    with Collection(collection).read() as con:
        assert con.execute("SELECT count(*) FROM source").fetchall() == [(0,)]
