"""Pictures that were taken badly are named, ordinary ones are not, and what nobody looked at is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions, shard_writer
from crossmodal.pictures.checked import check_pictures
from crossmodal.pictures.quality import THRESHOLDS, issues_of, quality_of
from crossmodal.records import Lineup
from crossmodal.views.health import pictures_table
from tests.ledger import build
from tests.ledger.build import planned, unit, vector_row

Change = Callable[[Image.Image], Image.Image]


def photo(seed: int = 0, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """Return a picture with what a photo has: large shapes, texture, colours, light and shade."""
    rng = np.random.default_rng(seed)
    rough = np.zeros((size[1], size[0], 3))
    for waves in (3, 8, 24, 80):
        layer = Image.fromarray(rng.integers(0, 256, (waves, waves, 3), np.uint8)).resize(size)
        rough += np.asarray(layer, np.float64)
    return Image.fromarray(np.clip((rough / 4 - 128) * 1.8 + 128, 0, 255).astype(np.uint8))


def named(picture: Image.Image) -> set[str]:
    measured = {name: np.array([float(v)]) for name, v in quality_of(picture).to_dict().items()}
    size = {"width": np.array([picture.width * 1.0]), "height": np.array([picture.height * 1.0])}
    return {name for name, has in issues_of(measured | size).items() if has[0]}


def commit_pictures(con: Any, pictures: dict[str, dict[str, Any]]) -> None:
    """Commit pictures with the facts that decoding found."""
    lineup = model_versions.register_lineup(con, Lineup.of(build.version()))
    rows = [planned(uri, uri) for uri in pictures]
    facts = [json.dumps(found) for found in pictures.values()]
    cut = [vector_row(r, unit(1, 0, 0, 0), meta=m) for r, m in zip(rows, facts, strict=True)]
    shard_writer.commit_shard(con, build.shard(lineup, build.plan(*rows), cut))


def flat(picture: Image.Image) -> Image.Image:
    return picture.convert("L").quantize(2).convert("RGB")


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (lambda p: Image.new("RGB", p.size), {"dark", "low information", "grayscale"}),
        (lambda p: Image.new("RGB", p.size, "white"), {"light", "low information", "grayscale"}),
        (lambda p: p.point(lambda level: level * 0.25), {"dark"}),
        (lambda p: Image.blend(p, Image.new("RGB", p.size, "white"), 0.97), {"light"}),
        (lambda p: p.filter(ImageFilter.GaussianBlur(24)), {"blurry"}),
        (flat, {"low information", "grayscale"}),
        (lambda p: p.crop((0, 0, p.width, 60)), {"odd aspect ratio"}),
        (lambda p: p.convert("L").convert("RGB"), {"grayscale"}),
    ],
    ids=["black", "white", "dark", "light", "blurred", "flat", "narrow", "grey"],
)
def test_what_is_wrong_with_a_picture_is_named(change: Change, names: set[str]) -> None:
    assert names <= named(change(photo()))


@pytest.mark.parametrize("seed", range(8))
def test_nothing_is_wrong_with_an_ordinary_picture(seed: int) -> None:
    assert named(photo(seed)) == set()
    assert named(photo(seed).resize((2400, 1800))) == set()


def test_a_picture_of_a_pixel_is_measured() -> None:
    assert quality_of(Image.new("RGB", (1, 1), "red")).sharpness == 0


def test_sizes_far_from_the_others_are_odd() -> None:
    ordinary = quality_of(photo()).to_dict()
    sizes = np.array([640.0] * 10 + [700.0] * 10 + [8.0])
    measured = {name: np.full(21, float(value)) for name, value in ordinary.items()}
    found = issues_of(measured | {"width": sizes, "height": sizes})
    assert np.flatnonzero(found["odd size"]).tolist() == [20]


def test_pictures_of_an_earlier_time_are_not_measured_rather_than_sound(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "c.duckdb")
    black = quality_of(Image.new("RGB", (64, 64))).to_dict()
    facts = {"width": 64, "height": 64, "quality": black}
    with collection.write() as con:
        commit_pictures(con, {"/p/old.jpg": {"width": 64, "height": 64}, "/p/black.jpg": facts})
        found = check_pictures(con)
    assert (found.num_measured, found.num_not_measured) == (1, 1)
    assert found.issues["dark"].examples == ("/p/black.jpg",)
    assert found.issues["low information"].count == 1
    told = pictures_table(found)
    assert ("not measured", "1", "indexed before pictures were measured", "") in told.rows
    assert [row[0] for row in told.rows][:-1] == list(THRESHOLDS)


def test_a_collection_of_before_counts_no_issue_at_all(tmp_path: Path) -> None:
    collection = Collection(tmp_path / "c.duckdb")
    with collection.write() as con:
        commit_pictures(con, {"/p/old.jpg": {"width": 64, "height": 64}})
        found = check_pictures(con)
    assert (found.num_measured, found.num_not_measured, found.issues) == (0, 1, {})
    assert [row[0] for row in pictures_table(found).rows] == ["not measured"]
