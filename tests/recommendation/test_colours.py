"""Colours that all pictures share say nothing, and count only where likes and dislikes say so."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from crossmodal.pictures.colour_histogram import colours_of, histograms
from crossmodal.recommendation.colours import WEIGHT, are_meant, as_they_count


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


REDS, BLUES = ("red", "#d02020", "#a01010"), ("blue", "#2020d0", "navy")
ALIKE = (np.eye(4)[[0, 0, 0]], np.eye(4)[[0, 0, 0]])
APART = (np.eye(4)[[0, 0, 0]], np.eye(4)[[1, 1, 1]])


def test_colours_are_meant_where_likes_share_them_and_dislikes_look_alike_otherwise() -> None:
    assert are_meant((of(*REDS), of(*BLUES)), ALIKE)


@pytest.mark.parametrize(
    ("likes", "dislikes", "seen"),
    [
        pytest.param(REDS, BLUES, APART, id="what is seen says it all"),
        pytest.param(REDS, REDS, ALIKE, id="dislikes have the same colours"),
        pytest.param(("red", "blue", "green"), BLUES, ALIKE, id="likes differ among each other"),
        pytest.param(("red", "", "#a01010"), BLUES, ALIKE, id="colours of two likes are known"),
        pytest.param(("", "", ""), ("", "", ""), ALIKE, id="no colours are known"),
    ],
)
def test_colours_are_not_meant(
    likes: tuple[str, ...], dislikes: tuple[str, ...], seen: tuple[np.ndarray, np.ndarray]
) -> None:
    assert not are_meant((of(*likes), of(*dislikes)), seen)
