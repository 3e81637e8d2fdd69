"""Tell the colours of a picture in 16 numbers, so that pictures of the same colours are found.

The vectors of image-text models say what is seen and little of its colours: among 256 cars, those
nearest to a red one are seldom red. A histogram of hues says it, each pixel counted by how much
colour it has and by how near it is to the middle, where subjects are; what has no hue is counted by
its lightness. Hues are weighed by saturation since those of greys are noise: van de Weijer and
Schmid, "Coloring local feature extraction", ECCV 2006. Hue, chroma and lightness are CIELAB's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Floats = npt.NDArray[np.float32]

NUM_BINS = 16
_NUM_HUES, _NUM_GREYS = 12, 4
_WIDTH, _HEIGHT = 64, 48
_MIDDLE_ROW, _ROWS, _COLUMNS = 26, 12, 16
"""Middle and spread, in pixels, of where a subject is looked for: just below the centre."""
_GREY_CHROMA, _FULL_CHROMA = 12.0, 32.0
"""CIELAB chroma up to which a pixel has no hue, and from which on it counts whole."""
_BYTE = 255

# IEC 61966-2-1, and CIE 15 for the white point D65.
_XYZ_OF_RGB = np.array(
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32
)
_WHITE = np.array([0.9505, 1.0, 1.089], np.float32)


def colours_of(picture: Image.Image) -> str:
    """Return the colours of a picture as 32 hexadecimal digits, a byte a bin."""
    from PIL import Image as images

    small = picture.convert("RGB").resize((_WIDTH, _HEIGHT), images.Resampling.BOX)
    lightness, chroma, hue = _lch(np.asarray(small, np.float32) / np.float32(_BYTE))
    share = np.clip((chroma - _GREY_CHROMA) / (_FULL_CHROMA - _GREY_CHROMA), 0, 1)
    weight = _weights()
    place = hue / (2 * np.pi) * _NUM_HUES
    low, part = np.floor(place).astype(int) % _NUM_HUES, place - np.floor(place)
    grey = np.clip(lightness / 100 * _NUM_GREYS, 0, _NUM_GREYS - 1).astype(int)
    bins = np.zeros(NUM_BINS)
    np.add.at(bins, low, weight * share * (1 - part))
    np.add.at(bins, (low + 1) % _NUM_HUES, weight * share * part)
    np.add.at(bins, _NUM_HUES + grey, weight * (1 - share))
    roots = np.round(_BYTE * np.sqrt(bins / bins.sum())).astype(np.uint8)
    return str(roots.tobytes().hex())


def histograms(colours: Sequence[str]) -> Floats:
    """Return (n, 16) float32 of length 1, the square roots of shares; zeros for an empty string.

    The product of two is the Bhattacharyya coefficient of what they count.
    """
    digits = "".join(each or "00" * NUM_BINS for each in colours)
    roots = np.frombuffer(bytes.fromhex(digits), np.uint8).reshape(-1, NUM_BINS).astype(np.float32)
    return np.asarray(roots / np.maximum(np.linalg.norm(roots, axis=1, keepdims=True), 1e-9))


def _lch(rgb: Floats) -> tuple[Floats, Floats, Floats]:
    """Return lightness (0 to 100), chroma and hue (radians from 0) of (h, w, 3) sRGB, 0 to 1."""
    linear = np.where(rgb > 0.04045, ((rgb + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    ratio = linear @ _XYZ_OF_RGB.T / _WHITE
    root = np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116)
    a, b = 500 * (root[..., 0] - root[..., 1]), 200 * (root[..., 1] - root[..., 2])
    hue = np.arctan2(b, a) % (2 * np.pi)
    return 116 * root[..., 1] - 16, np.hypot(a, b), hue


@lru_cache(maxsize=1)
def _weights() -> Floats:
    rows, columns = np.mgrid[0:_HEIGHT, 0:_WIDTH]
    away = ((rows - _MIDDLE_ROW) / _ROWS) ** 2 + ((columns - (_WIDTH - 1) / 2) / _COLUMNS) ** 2
    return np.asarray(np.exp(-away / 2), np.float32)
