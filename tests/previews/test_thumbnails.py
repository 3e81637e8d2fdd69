"""Thumbnails: small, upright, whole, or refused with a reason."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image

from crossmodal.errors import Refused
from crossmodal.previews.thumbnail import thumbnail, thumbnail_png


def test_thumbnail_fits_the_box_and_keeps_the_shape(tmp_path: Path) -> None:
    Image.new("RGB", (4000, 1000), (10, 200, 30)).save(tmp_path / "wide.jpg")
    assert thumbnail(str(tmp_path / "wide.jpg"), (232, 174)).size == (232, 58)


def test_small_picture_is_not_enlarged(tmp_path: Path) -> None:
    Image.new("RGBA", (20, 10)).save(tmp_path / "small.png")
    picture = thumbnail(str(tmp_path / "small.png"), (232, 174))
    assert (picture.size, picture.mode) == ((20, 10), "RGB")
    assert picture.getpixel((5, 5)) == (255, 255, 255), "transparent is shown on white"


def test_thumbnail_stands_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (200, 100)).save(tmp_path / "turned.jpg", exif=exif)
    assert thumbnail(str(tmp_path / "turned.jpg"), (100, 100)).size == (50, 100)


def test_missing_and_broken_sources_are_refused_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    for name, reason in (("nowhere.jpg", "missing"), ("empty.jpg", "empty")):
        with pytest.raises(Refused) as refused:
            thumbnail(str(tmp_path / name), (50, 50))
        assert refused.value.reason == reason
        assert thumbnail_png(str(tmp_path / name)) is None


def test_png_of_a_report_is_small(tmp_path: Path) -> None:
    Image.effect_noise((1600, 1200), 80).save(tmp_path / "noise.jpg")
    png = thumbnail_png(str(tmp_path / "noise.jpg"))
    assert png is not None
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.format, picture.size) == ("PNG", (128, 96))
    assert len(png) < 40_000
