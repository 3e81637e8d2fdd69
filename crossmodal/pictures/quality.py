"""Measure how a picture was taken, and name what is wrong with it.

The words and the values from which on they hold are cleanvision's (0.3.7,
issue_managers/image_property.py), but for blurry: it takes the picture's margin, which Pillow's
filter leaves as it is, for edges, and so misses half of what is blurred beyond recognition. The
numbers are kept and judged later, so another threshold needs no second decode. Looks at the picture
as it was decoded for the model, which is smaller than the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

Column = npt.NDArray[np.float64]

# As large as cleanvision makes a picture before it looks for edges.
_SIDE = 64
_MAX_PIXELS = 400_000
# Weights of red, green and blue in what an eye takes for brightness (HSP; Finley, 2006).
_SEEN = np.array([0.241, 0.691, 0.068], np.float32)
_GREY_LEVELS = 2

DARK, LIGHT, RATIO, INFORMATION_BITS, _IQR_FACTOR = 0.32, 0.95, 0.35, 3.0, 3.0
SHARP_SHARE = 0.16
"""Of the contrast. None of 1,200 photos is below it, all are if blurred by 4 % of their side."""
THRESHOLDS = {
    "dark": "99 % of the pixels below 0.32 of white",
    "light": "95 % of the pixels above 0.95 of white",
    "blurry": "variance of the Laplacian at 64 pixels below 0.16 of that of the greys",
    "low information": "entropy below 3 bits",
    "odd aspect ratio": "shorter by longer side below 0.35",
    "odd size": "root of the area 3 quartile ranges outside the quartiles",
    "grayscale": "no colour",
}


@dataclass(frozen=True, slots=True)
class Quality:
    """Hold what was measured of a picture."""

    dark_end: float
    """Brightness that 5 % of the pixels do not reach, 0 (black) to 1 (white)."""
    bright_end: float
    """Brightness that 99 % of the pixels do not pass."""
    sharpness: float
    """Variance of the Laplacian, in grey levels, at 64 pixels and without the margin."""
    contrast: float
    """Variance of the grey levels there."""
    entropy: float
    """In bits, of the histogram of all three colours."""
    is_grey: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            name: value if isinstance(value, bool) else round(value, 4)
            for name, value in asdict(self).items()
        }


def quality_of(picture: Image.Image) -> Quality:
    """Measure an RGB picture, in half a millisecond."""
    from PIL import Image as images
    from PIL import ImageFilter

    size = _small_size(picture.size)
    small = picture.resize(size, images.Resampling.BICUBIC, reducing_gap=1.0)
    colours = np.asarray(small, np.float32)
    brightness = np.sqrt((colours * colours) @ _SEEN).ravel() / 255
    low, high = brightness.size * 5 // 100, brightness.size * 99 // 100
    ends = np.partition(brightness, (low, high))
    grey = small.convert("L")
    edges = np.asarray(grey.filter(ImageFilter.FIND_EDGES), np.float32)[1:-1, 1:-1]
    return Quality(
        dark_end=float(ends[low]),
        bright_end=float(ends[high]),
        sharpness=float(edges.var()) if edges.size else 0.0,
        contrast=float(np.asarray(grey, np.float32).var()),
        entropy=_entropy(picture),
        is_grey=bool(np.ptp(colours, axis=2).max() <= _GREY_LEVELS),
    )


def issues_of(measured: Mapping[str, Column]) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which of n pictures have which issue.

    Args:
        measured: (n,) values by name, those of ``Quality`` and ``width`` and ``height`` in pixels.
    """
    width, height = measured["width"], measured["height"]
    is_flat = measured["entropy"] < INFORMATION_BITS
    return {
        "dark": measured["bright_end"] < DARK,
        "light": measured["dark_end"] > LIGHT,
        "blurry": (measured["sharpness"] < SHARP_SHARE * measured["contrast"]) & ~is_flat,
        "low information": is_flat,
        "odd aspect ratio": np.minimum(width, height) / np.maximum(width, height) < RATIO,
        "odd size": _odd_sizes(np.sqrt(width * height)),
        "grayscale": measured["is_grey"] > 0,
    }


def _odd_sizes(sizes: Column) -> npt.NDArray[np.bool_]:
    if not len(sizes):
        return np.zeros(0, np.bool_)
    first, third = np.percentile(sizes, [25, 75])
    margin = _IQR_FACTOR * (third - first)
    return np.asarray((sizes < first - margin) | (sizes > third + margin))


def _small_size(size: tuple[int, int]) -> tuple[int, int]:
    scale = min(1.0, _SIDE / max(size))
    return max(int(size[0] * scale), 1), max(int(size[1] * scale), 1)


def _entropy(picture: Image.Image) -> float:
    """Return the bits of a picture's histogram; a large one's is counted at a part of its size."""
    factor = int((picture.width * picture.height / _MAX_PIXELS) ** 0.5)
    return float((picture.reduce(factor) if factor > 1 else picture).entropy())
