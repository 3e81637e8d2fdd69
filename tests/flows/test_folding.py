"""Copies of a picture in other sizes are indexed each, and answer as one hit."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import crossmodal
from flows.index import index
from tests.drawn import draw_picture

pytestmark = pytest.mark.usefixtures("prefect")


def test_copies_of_a_picture_in_other_sizes_are_one_hit(tmp_path: Path, tiny_clip: Path) -> None:
    folder, collection = tmp_path / "pictures", tmp_path / "c.duckdb"
    folder.mkdir()
    drawn = draw_picture(5).resize((320, 240), Image.Resampling.BICUBIC)
    drawn.save(folder / "whole.png")
    drawn.resize((300, 225)).save(folder / "smaller.png")
    draw_picture(8).save(folder / "other.png")
    index(collection=str(collection), paths=[str(folder)], model=str(tiny_clip), device="cpu")
    opened = crossmodal.open(collection, device="cpu")
    found = opened.search(image=str(folder / "whole.png"), k=10)
    assert [hit.path for hit in found] == [str(folder / "whole.png"), str(folder / "other.png")]
    assert found[0].alike == (str(folder / "smaller.png"),)
