"""Colours that all pictures share say nothing, and those that are not known count for nothing."""

from __future__ import annotations

import numpy as np
from PIL import Image

from crossmodal.pictures.colour_histogram import colours_of, histograms
from crossmodal.recommendation.colours import WEIGHT, as_they_count


def of(*names: str) -> np.ndarray:
    return histograms([name and colours_of(Image.new("RGB", (8, 8), name)) for name in names])


def test_alike_colours_lie_near_each_other_and_others_apart() -> None:
    red, dark, blue, white = as_they_count(of("red", "#d02020", "blue", "white"), 1.0)
    assert red @ dark > red @ blue
    assert red @ dark > red @ white


def test_colours_count_by_their_share() -> None:
    whole, half = (as_they_count(of("red", "blue"), share) for share in (1.0, 0.5))
    assert np.allclose((whole**2).sum(axis=1), WEIGHT)
    assert np.allclose((half**2).sum(axis=1), WEIGHT / 2)


def test_unknown_colours_change_nothing_of_the_known_and_stay_zeros() -> None:
    some = as_they_count(of("red", "", "blue"), 1.0)
    assert not some[1].any()
    assert np.allclose(some[[0, 2]], as_they_count(of("red", "blue"), 1.0))
    assert not as_they_count(of("", ""), 1.0).any()
    assert not as_they_count(of("red"), 1.0).any()
