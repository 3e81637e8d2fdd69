"""Turn a decoded image into patches, as many as its shape asks for, up to a number.

SigLIP 2 with NaFlex takes pictures so; ``clip_preprocess`` has the families that take clips too.

Owns the reading of such a preprocessor_config.json, the size that keeps the aspect and the cut into
patches. What travels has one shape, whatever the image's: a row a patch, and a first row that says
how many patches lie side by side. Two equal fingerprints give equal patches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from crossmodal.errors import ModelUnsupported
from crossmodal.models.image_preprocess import DECODE_MARGIN, REDUCING_GAP, ImagePreprocess

if TYPE_CHECKING:
    from PIL import Image

_DEFAULTS = {"patch_size": 16, "max_num_patches": 256}
# The search for the scale, as the processor of transformers 5.23 does it.
_EPSILON = 1e-5
_MAX_SCALE = 100.0
_MAX_PATCHES = 1 << 14
_SQUARE_PX = 1024


@dataclass(frozen=True, slots=True)
class PatchPreprocess(ImagePreprocess):
    """Hold the effective settings; ``height`` and ``width`` are those of the rows that travel."""

    patch_size: int = 16
    """Pixels on each side of a patch."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the settings of a preprocessor_config.json.

        Raises:
            ModelUnsupported: A step is unknown, switched off or makes no sense.
        """
        given = {key: value for key, value in config.items() if value is not None}
        patch, patches = (count(given.pop(key, _DEFAULTS[key]), key) for key in _DEFAULTS)
        if patch < 2 or patches > _MAX_PATCHES:
            raise ModelUnsupported(
                f"its images become {patches} patches of {patch} pixels; at most {_MAX_PATCHES} "
                "patches of two pixels or more are taken"
            )
        side = {"height": patch, "width": patch}
        plain = ImagePreprocess.from_config({"resample": 2, **given, "size": side})
        return cls(
            shortest_edge=None,
            stretch=None,
            height=1 + patches,
            width=patch**2,
            resample=plain.resample,
            rescale=plain.rescale,
            mean=plain.mean,
            std=plain.std,
            patch_size=patch,
        )

    @property
    def max_patches(self) -> int:
        """Return how many patches an image has at most."""
        return self.height - 1

    @property
    def min_side(self) -> int:
        """Return the shorter side, in pixels, that an image should have before the resize.

        That of a square; a longer image needs less and is only decoded larger than need be.
        """
        return ceil(self._side * DECODE_MARGIN)

    def apply(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """Return the (1 + max_patches, patch_size**2, 3) rows of an RGB image.

        The first row holds the number of patches down and across, each as two bytes; what no patch
        fills is zero.
        """
        rows = np.zeros((self.height, self.width, 3), np.uint8)
        down, across = self.grid(image.height, image.width)
        rows[1 : 1 + down * across] = self.patches(image, down, across)
        rows[0, :2, :2] = [divmod(down, 256), divmod(across, 256)]
        return rows

    def patches(self, image: Image.Image, down: int, across: int) -> npt.NDArray[np.uint8]:
        """Return the (down * across, patch_size**2, 3) patches of an RGB image, row by row."""
        size = self.patch_size
        pixels = np.asarray(
            image.resize(
                (across * size, down * size), resample=self.resample, reducing_gap=REDUCING_GAP
            )
        )
        patches = pixels.reshape(down, size, across, size, 3).swapaxes(1, 2)
        return patches.reshape(down * across, size * size, 3)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return how many patches an image of some size has, down and across."""
        low, high = _EPSILON / 10, _MAX_SCALE
        while high - low >= _EPSILON:
            scale = (low + high) / 2
            down, across = self._scaled(height, scale), self._scaled(width, scale)
            low, high = (scale, high) if down * across <= self.max_patches else (low, scale)
        return self._scaled(height, low), self._scaled(width, low)

    def noise(self, num_items: int) -> npt.NDArray[np.uint8]:
        """Return rows of square images of random pixels, the same at every call."""
        rows = ImagePreprocess.noise(self, num_items)
        side = self._side // self.patch_size
        rows[:, 0, :2, :2] = divmod(side, 256)
        rows[:, 1 + side**2 :] = 0
        return rows

    @property
    def _side(self) -> int:
        """Return the pixels of a side of a square image."""
        return self.grid(_SQUARE_PX, _SQUARE_PX)[0] * self.patch_size

    def _scaled(self, side: int, scale: float) -> int:
        return max(1, ceil(side * scale / self.patch_size))


def shapes_of(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the (n, 2) numbers of patches down and across of (n, ..) rows that travelled."""
    written = rows[:, 0, :2, :2].astype(np.int64)
    return written[:, :, 0] * 256 + written[:, :, 1]


def count(value: Any, key: str) -> int:
    """Return a setting that is a whole number above zero, or a square's side.

    Raises:
        ModelUnsupported: It is another.
    """
    if isinstance(value, Mapping) and value.get("height") == value.get("width"):
        value = value.get("height")
    if not isinstance(value, int) or value < 1:
        raise ModelUnsupported(f"its image preprocessing has {key} {value!r}, not a whole number")
    return value
