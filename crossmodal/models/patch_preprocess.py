"""Turn a decoded image into patches, as many as its shape asks for, up to a number.

SigLIP 2 with NaFlex, EmbeddingGemma 2 and Qwen3-VL take pictures so.

Owns the reading of such a preprocessor_config.json, the size that keeps the aspect and the cut into
patches. What travels has one shape, whatever the image's: a row a patch, and a first row that says
how many patches lie side by side. Two equal fingerprints give equal patches.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import ceil, floor, sqrt
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from crossmodal.errors import ModelUnsupported
from crossmodal.models.image_preprocess import DECODE_MARGIN, REDUCING_GAP, ImagePreprocess

if TYPE_CHECKING:
    from PIL import Image

_DEFAULTS = {"patch_size": 16, "max_num_patches": 256}
_GEMMA = {
    "patch_size": 16,
    "max_soft_tokens": 280,
    "pooling_kernel_size": 3,
    "resample": 3,
    "do_normalize": False,
    "image_mean": [0, 0, 0],
    "image_std": [1, 1, 1],
}
_FRAMES, _NUM_FRAMES = "temporal_patch_size", 2
_QWEN = {
    "patch_size": 16,
    "merge_size": 2,
    _FRAMES: _NUM_FRAMES,
    "size": {"shortest_edge": 4 * 32**2, "longest_edge": 1 << 20},
    "resample": 3,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
MAX_PIXELS = 1 << 20
"""Of Qwen's pictures, which are as large as they come: three MiB each on the way to the model."""
_MAX_ASPECT = 200
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
        patch, patches = (_count(given.pop(key, _DEFAULTS[key]), key) for key in _DEFAULTS)
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
        size, rows = self.patch_size, np.zeros((self.height, self.width, 3), np.uint8)
        down, across = self.grid(image.height, image.width)
        pixels = np.asarray(
            image.resize(
                (across * size, down * size), resample=self.resample, reducing_gap=REDUCING_GAP
            )
        )
        patches = pixels.reshape(down, size, across, size, 3).swapaxes(1, 2)
        rows[1 : 1 + down * across] = patches.reshape(down * across, size * size, 3)
        rows[0, :2, :2] = [divmod(down, 256), divmod(across, 256)]
        return rows

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


@dataclass(frozen=True, slots=True)
class PooledPatches(PatchPreprocess):
    """Hold the settings of Gemma's pictures, whose patches become soft tokens in squares."""

    kernel: int = 3
    """Patches on each side of the square that becomes a soft token."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the settings of a preprocessor_config.json.

        Raises:
            ModelUnsupported: A step is unknown, switched off or makes no sense.
        """
        given = _GEMMA | {key: value for key, value in config.items() if value is not None}
        kernel = _count(given.pop("pooling_kernel_size"), "pooling_kernel_size")
        tokens = _count(given.pop("max_soft_tokens"), "max_soft_tokens")
        plain = PatchPreprocess.from_config(given | {"max_num_patches": tokens * kernel**2})
        settings = {field.name: getattr(plain, field.name) for field in fields(plain)}
        return cls(**settings, kernel=kernel)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return how many patches an image of some size has, down and across."""
        side, squares = self.kernel * self.patch_size, self.max_patches // self.kernel**2
        factor = sqrt(self.max_patches * self.patch_size**2 / (height * width))
        down, across = floor(factor * height / side), floor(factor * width / side)
        if down == 0:
            down, across = 1, min(width // height, squares)
        elif across == 0:
            down, across = min(height // width, squares), 1
        return down * self.kernel, across * self.kernel


@dataclass(frozen=True, slots=True)
class MergedPatches(PatchPreprocess):
    """Hold the settings of Qwen's pictures: as large as they are, within bounds."""

    merge: int = 2
    """Patches on each side of the square that becomes a token."""
    min_pixels: int = 0

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the settings of a preprocessor_config.json.

        Raises:
            ModelUnsupported: A step is unknown, switched off or makes no sense.
        """
        given = _QWEN | {key: value for key, value in config.items() if value is not None}
        merge, frames = (_count(given.pop(key), key) for key in ("merge_size", _FRAMES))
        size = given.pop("size")
        if frames != _NUM_FRAMES or not isinstance(size, Mapping):
            raise ModelUnsupported(f"its images are of {frames} frames each and of size {size!r}")
        least = _count(given.pop("min_pixels", size.get("shortest_edge")), "min_pixels")
        most = _count(given.pop("max_pixels", size.get("longest_edge")), "max_pixels")
        patch = _count(given["patch_size"], "patch_size")
        patches = max(min(most, MAX_PIXELS) // patch**2, merge**2)
        plain = PatchPreprocess.from_config(given | {"max_num_patches": patches})
        settings = {field.name: getattr(plain, field.name) for field in fields(plain)}
        return cls(**settings, merge=merge, min_pixels=min(least, patches * patch**2))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return how many patches an image of some size has, down and across.

        As Qwen's processor does, which refuses images more than 200 times as long as wide: these
        are taken for less long ones here.
        """
        height, width = max(height, width // _MAX_ASPECT), max(width, height // _MAX_ASPECT)
        side, most = self.merge * self.patch_size, self.max_patches * self.patch_size**2
        down, across = round(height / side), round(width / side)
        if down * across * side**2 > most:
            shrink = sqrt(height * width / most)
            down, across = (max(1, floor(edge / shrink / side)) for edge in (height, width))
        elif down * across * side**2 < self.min_pixels:
            grow = sqrt(self.min_pixels / (height * width))
            down, across = (ceil(edge * grow / side) for edge in (height, width))
        while down * across * side**2 > most:  # of a very long one, the long side
            down, across = (down - 1, across) if down > across else (down, across - 1)
        return down * self.merge, across * self.merge


def shapes_of(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the (n, 2) numbers of patches down and across of (n, ..) rows that travelled."""
    written = rows[:, 0, :2, :2].astype(np.int64)
    return written[:, :, 0] * 256 + written[:, :, 1]


def _count(value: Any, key: str) -> int:
    if isinstance(value, Mapping) and value.get("height") == value.get("width"):
        value = value.get("height")
    if not isinstance(value, int) or value < 1:
        raise ModelUnsupported(f"its image preprocessing has {key} {value!r}, not a whole number")
    return value
