"""Pictures are cut into overlapping regions where that is asked for, and show where they lie."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from crossmodal.chunking import images
from crossmodal.chunking.image_regions import boxes
from crossmodal.chunking.pieces import Piece, Source
from crossmodal.chunking.rules import ChunkRules
from crossmodal.errors import Refused
from crossmodal.pictures.fractions import pixels_of
from crossmodal.views.places import place_of
from tests.chunking.clips import tools

SIDE = 32


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def cut(data: bytes, along: int = 2) -> list[Piece]:
    source = Source("/album/a.png", "image/png", data)
    return list(images.cut(source, ChunkRules(regions=along), tools(min_side=SIDE)))


@pytest.mark.parametrize("size", [(100, 100), (150, 100), (100, 177), (640, 480), (1000, 90)])
@pytest.mark.parametrize("along", [1, 2, 3, 4])
def test_regions_cover_the_picture_and_overlap(size: tuple[int, int], along: int) -> None:
    seen = np.zeros((size[1], size[0]), int)
    found = boxes(*size, along)
    for box in found:
        left, top, right, bottom = pixels_of(box, size)
        assert 0 <= left < right <= size[0]
        assert 0 <= top < bottom <= size[1]
        assert abs((right - left) - (bottom - top)) <= 1, "a square"
        seen[top:bottom, left:right] += 1
    if size == (100, 100) and along == 1:
        assert found == [], "it would be the whole"
        return
    assert seen.min() >= 1
    assert seen.max() >= 2


def test_small_thing_in_a_corner_fills_more_of_a_region_and_the_place_says_which() -> None:
    picture = Image.new("RGB", (200, 200), "white")
    picture.paste((200, 0, 0), (150, 150, 200, 200))
    whole, *regions = cut(encoded(picture))
    assert (whole.kind, whole.position, isinstance(whole.picture, bytes)) == ("image", {}, True)
    assert [region.kind for region in regions] == ["region"] * 4
    assert {region.parent for region in regions} == {0}
    reds = [float((np.asarray(region.picture)[..., 1] < 100).mean()) for region in regions]
    assert reds[:3] == [0, 0, 0]
    assert reds[3] == pytest.approx((50 / 114.3) ** 2, abs=0.02)
    places = [place_of(region.position) for region in regions]
    assert places == ["upper left", "upper right", "lower left", "lower right"]
    assert place_of({"box": [0.3, 0.3, 0.7, 0.7]}) == "middle"
    assert place_of({"box": [0.3, 0.3, 0.7, 0.7], "page": 2}) == "page 2", "a figure's"


def test_regions_of_a_turned_photo_lie_as_a_person_sees_it() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = Image.new("RGB", (300, 200), "white")
    picture.paste((0, 0, 200), (0, 0, 60, 60))
    whole, *regions = cut(encoded(picture, "JPEG", quality=95, exif=exif))
    blue = [place_of(r.position) for r in regions if np.asarray(r.picture)[..., 0].min() < 100]
    assert blue == ["upper right"], "the camera lay on its side"
    assert {(r.facts["width"], r.facts["height"]) for r in regions} == {(200, 300)}
    assert whole.kind == "image"


@pytest.mark.parametrize("along", [0, 4])
def test_picture_whose_regions_would_be_blurred_stays_whole(along: int) -> None:
    small = Image.new("RGB", (50, 50), "white")
    assert [piece.kind for piece in cut(encoded(small), along)] == ["image"]


def test_broken_picture_is_refused_as_without_regions() -> None:
    data = encoded(Image.effect_noise((200, 200), 50), "JPEG")
    with pytest.raises(Refused) as refused:
        cut(data[: len(data) // 2])
    assert refused.value.reason == "truncated"
