"""Pictures of the same colours have alike histograms, whatever they show and however large."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from crossmodal.pictures.colour_histogram import NUM_BINS, colours_of, histograms


def subject(colour: str, ground: str = "grey", size: tuple[int, int] = (300, 200)) -> str:
    """Return the colours of a picture with an ellipse in its middle."""
    picture = Image.new("RGB", size, ground)
    box = (size[0] // 5, size[1] // 5, 4 * size[0] // 5, 4 * size[1] // 5)
    ImageDraw.Draw(picture).ellipse(box, fill=colour)
    return colours_of(picture)


def alike(one: str, other: str) -> float:
    first, second = histograms([one, other])
    return float(first @ second)


def test_a_red_subject_is_nearer_to_a_dark_red_one_than_to_a_blue_one() -> None:
    red, dark, blue = subject("red"), subject("#a01010"), subject("blue")
    assert alike(red, dark) > 0.9
    assert alike(red, blue) < 0.5


def test_the_middle_counts_for_more_than_the_margin() -> None:
    assert alike(subject("red", "blue"), subject("red", "green")) > alike(
        subject("red", "blue"), subject("green", "blue")
    )


def test_greys_are_told_apart_by_how_light_they_are() -> None:
    white, black = (colours_of(Image.new("RGB", (9, 9), name)) for name in ("white", "black"))
    assert alike(white, black) == 0


def test_size_and_mode_of_a_picture_change_hardly_anything() -> None:
    large = subject("orange", size=(1500, 1000))
    assert alike(subject("orange"), large) > 0.99
    clear = Image.new("RGBA", (40, 1), (200, 30, 30, 255))
    assert colours_of(clear) == colours_of(clear.convert("RGB"))


def test_a_histogram_is_of_length_one_and_unknown_colours_are_zeros() -> None:
    known, unknown = histograms([subject("teal"), ""])
    assert np.isclose(np.linalg.norm(known), 1)
    assert not unknown.any()
    assert histograms([]).shape == (0, NUM_BINS)
