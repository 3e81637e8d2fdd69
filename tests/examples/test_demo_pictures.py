"""The demo's own pictures: always the same, all different, of many formats."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from examples.demo_pictures import draw


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return draw(tmp_path_factory.mktemp("demo") / "pictures")


def test_sixty_different_pictures_of_many_formats(drawn: list[Path]) -> None:
    assert len(drawn) == 60
    assert len({path.read_bytes() for path in drawn}) == 60
    formats = set()
    for path in drawn:
        with Image.open(path) as picture:
            formats.add(picture.format)
            assert picture.size == (640, 480)
    assert formats == {"JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP"}


def test_drawing_again_gives_the_same_bytes(drawn: list[Path], tmp_path: Path) -> None:
    again = draw(tmp_path / "again")
    assert [path.name for path in again] == [path.name for path in drawn]
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in drawn]


def test_folder_of_an_interrupted_drawing_is_finished(drawn: list[Path], tmp_path: Path) -> None:
    (tmp_path / "pictures.part").mkdir()
    (tmp_path / "pictures.part" / "car-red.jpg").write_bytes(b"half")
    paths = draw(tmp_path / "pictures")
    assert [path.name for path in paths] == [path.name for path in drawn]
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
    assert paths[0].read_bytes() == drawn[0].read_bytes()
