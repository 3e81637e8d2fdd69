"""The index flow over a tar of pictures, with a real server and a random CLIP."""

from __future__ import annotations

import tarfile
from pathlib import Path

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
