from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from crossmodal.pictures.decode import Refused, decode


def ramp(low: float, high: float, dtype: type) -> Image.Image:
    """Return a 256 x 4 picture that runs from low to high."""
    return Image.fromarray(np.tile(np.linspace(low, high, 256), (4, 1)).astype(dtype))


def row(data: bytes) -> list[int]:
    """Return the first row of the decoded picture, as grey."""
    return [int(value) for value in np.asarray(decode(data).image)[0, :, 0]]


@pytest.mark.parametrize(
    ("low", "high", "dtype", "image_format"),
    [
        (0, 65535, np.uint16, "PNG"),
        (0, 65535, np.uint16, "TIFF"),
        (0, 65535, np.int32, "TIFF"),
        (-5000, 90000, np.int32, "TIFF"),
        (0, 1, np.float32, "TIFF"),
        (0, 255, np.float32, "TIFF"),
        (-3, 7000, np.float32, "TIFF"),
    ],
)
def test_deep_grey_is_scaled_and_not_clipped(encode, low, high, dtype, image_format) -> None:
    values = row(encode(ramp(low, high, dtype), image_format))
    assert values == pytest.approx(range(256), abs=1)


def test_dark_sixteen_bit_picture_stays_dark(encode) -> None:
    assert max(row(encode(ramp(0, 16384, np.uint16), "PNG"))) == 64


def test_float_picture_with_gaps_keeps_what_is_there(encode) -> None:
    values = np.array([[0.0, np.nan, 1.0, np.inf]], np.float32)
    assert row(encode(Image.fromarray(values), "TIFF")) == [0, 0, 255, 255]


def test_float_picture_without_a_number_is_refused(encode) -> None:
    with pytest.raises(Refused) as caught:
        decode(encode(Image.fromarray(np.full((2, 2), np.nan, np.float32)), "TIFF"))
    assert caught.value.reason == "unsupported_mode"


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_alpha_lies_on_white(encode, mode) -> None:
    image = Image.new(mode, (3, 1))
    black = (0,) * (len(mode) - 1)
    for column, alpha in enumerate((0, 128, 255)):
        image.putpixel((column, 0), (*black, alpha))
    assert row(encode(image, "PNG")) == pytest.approx([255, 127, 0], abs=1)


def test_transparent_palette_colour_lies_on_white(encode) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    pixels = np.asarray(decode(encode(image, "GIF", transparency=0)).image)[0].tolist()
    assert pixels == [[255, 255, 255], [200, 100, 50]]


def test_transparent_colour_key_lies_on_white(encode) -> None:
    data = encode(Image.new("RGB", (2, 2), (1, 2, 3)), "PNG", transparency=(1, 2, 3))
    assert row(data) == [255, 255]


def test_cmyk_photo_has_its_colours(encode) -> None:
    red = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    pixel = np.asarray(decode(encode(red, "JPEG")).image)[4, 4]
    assert pixel[0] > 240
    assert max(pixel[1], pixel[2]) < 15


def test_lab_picture_has_its_colours(encode) -> None:
    # L 54, a 81, b 70 is the red of sRGB; Pillow keeps L as 0 to 255, a and b from 128.
    lab = Image.new("LAB", (2, 2), (138, 209, 198))
    pixel = np.asarray(decode(encode(lab, "TIFF")).image)[0, 0]
    assert pixel[0] > 240
    assert max(pixel[1], pixel[2]) < 30


def test_bilevel_picture_is_black_and_white(encode) -> None:
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    assert row(encode(image, "TIFF", compression="group4")) == [0, 255]
