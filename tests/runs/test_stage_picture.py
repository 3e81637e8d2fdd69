"""The picture of a profile: bars as long as the shares say."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from crossmodal.runs import stage_picture as picture
from crossmodal.runs.profile import Profile, summarise
from crossmodal.runs.stage_picture import stage_picture
from tests.runs.spans import model_bound_run, span

BLUES = {(91, 141, 239), (29, 78, 216)}


def drawn(profile: Profile) -> Image.Image:
    return Image.open(io.BytesIO(stage_picture(profile))).convert("RGB")


def bar_length(image: Image.Image, row: int) -> int:
    """Return how many pixels of a row's middle are a stage's blue."""
    y = picture._MARGIN + row * picture._ROW_HEIGHT + picture._ROW_HEIGHT // 2
    return sum(image.getpixel((x, y)) in BLUES for x in range(image.width))


def test_bars_are_as_long_as_the_shares_of_the_run() -> None:
    image = drawn(summarise(model_bound_run(), num_cores=2))
    discover, embed, store = bar_length(image, 0), bar_length(image, 1), bar_length(image, 4)
    assert embed == pytest.approx(8 * discover, rel=0.03)
    assert store == pytest.approx(discover, abs=2)


def test_a_row_for_every_stage_and_operator() -> None:
    few, many = summarise([span("plan", "", 0, 1)], 2), summarise(model_bound_run(), 2)
    assert drawn(many).height - drawn(few).height == 4 * picture._ROW_HEIGHT


def test_picture_is_small_enough_to_stand_in_an_artifact() -> None:
    spans = [span(f"stage {n}", f"operator {m}", n, 1) for n in range(12) for m in range(3)]
    assert len(stage_picture(summarise(spans, 2))) < 50_000


def test_nothing_timed_is_an_empty_strip() -> None:
    assert drawn(summarise([], 2)).height == 2 * picture._MARGIN
