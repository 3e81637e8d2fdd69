"""Colours count where likes share them, and not where they do not or dislikes have them too."""

from __future__ import annotations

import numpy as np
from PIL import Image

from crossmodal.pictures.colour_histogram import colours_of, histograms
from crossmodal.recommendation.colours import colour_gain

NAMES = ("red", "blue", "green", "yellow", "white", "black") * 5
SHOWN = histograms([colours_of(Image.new("RGB", (8, 8), name)) for name in NAMES])


def of(*names: str) -> np.ndarray:
    return histograms([colours_of(Image.new("RGB", (8, 8), name)) for name in names])


def reddest(gain: np.ndarray) -> bool:
    return {NAMES[i] for i in np.flatnonzero(gain == gain.max())} == {"red"}


def test_likes_of_one_colour_lift_what_has_it() -> None:
    gain = colour_gain(SHOWN, of("red", "red", "#d02020"), of())
    assert reddest(gain)
    assert gain.max() > 1


def test_dislikes_of_another_colour_change_nothing_of_that() -> None:
    assert reddest(colour_gain(SHOWN, of("red", "red"), of("blue", "white")))


def test_likes_of_many_colours_lift_nothing() -> None:
    assert not colour_gain(SHOWN, of("red", "blue", "green"), of()).any()


def test_what_likes_and_dislikes_share_lifts_nothing() -> None:
    assert not colour_gain(SHOWN, of("red", "red"), of("red")).any()


def test_one_like_alone_agrees_on_nothing() -> None:
    assert not colour_gain(SHOWN, of("red"), of("blue")).any()


def test_pictures_without_known_colours_neither_gain_nor_count() -> None:
    some = np.concatenate([SHOWN, np.zeros((4, SHOWN.shape[1]), np.float32)])
    likes = np.concatenate([of("red", "red"), np.zeros((1, SHOWN.shape[1]), np.float32)])
    gain = colour_gain(some, likes, of())
    assert not gain[len(SHOWN) :].any()
    assert np.allclose(gain[: len(SHOWN)], colour_gain(SHOWN, of("red", "red"), of()))
    assert not colour_gain(np.zeros((5, 16), np.float32), of("red", "red"), of()).any()
