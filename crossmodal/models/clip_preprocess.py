"""Turn pictures, and the frames of a clip, into patches as EmbeddingGemma 2 and Qwen3-VL take them.

Owns how large a picture and the frames of a clip become, and the form in which a clip travels: that
of a picture, with so many frames one after the other in place of it, and their number and times in
the first row. So a batch of clips needs no more memory than one of pictures. Takes clips only of a
model that prepares their frames as it does its pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from math import ceil, floor, sqrt
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from crossmodal.chunking.pieces import ClipForm
from crossmodal.errors import ModelUnsupported
from crossmodal.models.image_preprocess import DECODE_MARGIN, ImagePreprocess
from crossmodal.models.patch_preprocess import PatchPreprocess, count

if TYPE_CHECKING:
    from PIL import Image

_GEMMA = {
    "patch_size": 16,
    "max_soft_tokens": 280,
    "pooling_kernel_size": 3,
    "resample": 3,
    "do_normalize": False,
    "image_mean": [0, 0, 0],
    "image_std": [1, 1, 1],
}
_GEMMA_CLIP_TOKENS = 70
_TOGETHER, _NUM_TOGETHER = "temporal_patch_size", 2
_QWEN = {
    "patch_size": 16,
    "merge_size": 2,
    _TOGETHER: _NUM_TOGETHER,
    "size": {"shortest_edge": 4 * 32**2, "longest_edge": 1 << 20},
    "resample": 3,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
}
_QWEN_CLIP = {"shortest_edge": 128 * 32**2, "longest_edge": 768 * 32**2}
MAX_PIXELS = 1 << 20
"""Of Qwen's pictures, which are as large as they come: three MiB each on the way to the model."""
_MAX_ASPECT = 200
MAX_CLIP_FRAMES = 8
"""Of a clip, where a picture's patches suffice for so many."""
# The first row: patches down, patches across, frames, then the times.
_HEAD = 3
_MAX_MS = (1 << 24) - 1
# Of a video processor's settings those that a picture has too.
_SHARED = (
    "patch_size",
    "merge_size",
    "pooling_kernel_size",
    _TOGETHER,
    "resample",
    "rescale_factor",
    "do_resize",
    "do_rescale",
    "do_normalize",
    "image_mean",
    "image_std",
)


@dataclass(frozen=True, slots=True)
class ClipPatches(PatchPreprocess):
    """Hold the settings of a model that takes several frames as one item."""

    clip_frames: int = 0
    """Frames of a clip at most; 0 where its frames are prepared unlike pictures."""

    def with_clips(self, pictures: dict[str, Any], clips: dict[str, Any]) -> Self:
        """Return these settings with those for clips.

        ``pictures`` and ``clips`` are what the image and the video processor of a folder say; an
        empty one is as its class has it. Where a clip's frames would be prepared unlike pictures,
        nothing is added.
        """
        given = {key: value for key, value in clips.items() if value is not None}
        shared = {key: given[key] for key in _SHARED if key in given}
        try:
            is_alike = type(self).from_config({**pictures, **shared}) == self
            if not is_alike or given.get("add_timestamps"):
                return self
            return self._for_clips(given)
        except ModelUnsupported:
            return self

    @property
    def clip_side(self) -> int:
        """Return the shorter side, in pixels, that frames should have before they are resized."""
        return ceil(sqrt(self._frame_pixels) * DECODE_MARGIN)

    def clip(
        self, frames: Sequence[Image.Image], times_s: Sequence[float]
    ) -> npt.NDArray[np.uint8]:
        """Return the (1 + max_patches, patch_size**2, 3) rows of RGB frames and their times.

        All frames are brought to one size. The first row holds the number of patches of a frame,
        down and across, and of frames, each as two bytes, then the milliseconds of each frame as
        three.
        """
        frames, times_s = self._filled(frames), self._filled(times_s)
        rows = np.zeros((self.height, self.width, 3), np.uint8)
        down, across = self.frame_grid(frames[0].height, frames[0].width, len(frames))
        patches = np.concatenate([self.patches(frame, down, across) for frame in frames])
        rows[1 : 1 + len(patches)] = patches
        rows[0, :_HEAD, :2] = [divmod(number, 256) for number in (down, across, len(frames))]
        rows[0, _HEAD : _HEAD + len(frames)] = [_three_bytes(time_s) for time_s in times_s]
        return rows

    def frame_grid(self, height: int, width: int, num_frames: int) -> tuple[int, int]:
        """Return how many patches each of so many frames has, down and across."""
        raise NotImplementedError

    @property
    def _frame_pixels(self) -> int:
        """Return how many pixels a frame of a full clip has at most."""
        raise NotImplementedError

    def _for_clips(self, config: dict[str, Any]) -> Self:
        """Return these settings with those for clips; raises ModelUnsupported."""
        raise NotImplementedError

    def _filled(self, items: Sequence[Any]) -> list[Any]:
        """Return the frames, or their times, with those that the model needs beside them."""
        return list(items)


@dataclass(frozen=True, slots=True)
class PooledPatches(ClipPatches):
    """Hold the settings of Gemma's pictures, whose patches become soft tokens in squares."""

    kernel: int = 3
    """Patches on each side of the square that becomes a soft token."""
    frame_patches: int = 0
    """Of a frame of a clip at most."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the settings of a preprocessor_config.json.

        Raises:
            ModelUnsupported: A step is unknown, switched off or makes no sense.
        """
        given = _GEMMA | {key: value for key, value in config.items() if value is not None}
        kernel = count(given.pop("pooling_kernel_size"), "pooling_kernel_size")
        tokens = count(given.pop("max_soft_tokens"), "max_soft_tokens")
        plain = PatchPreprocess.from_config(given | {"max_num_patches": tokens * kernel**2})
        settings = {field.name: getattr(plain, field.name) for field in fields(plain)}
        return cls(**settings, kernel=kernel)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return how many patches an image of some size has, down and across."""
        return self._pooled(height, width, self.max_patches)

    def frame_grid(self, height: int, width: int, num_frames: int) -> tuple[int, int]:
        """Return how many patches each frame of a clip has, however many they are."""
        return self._pooled(height, width, self.frame_patches)

    @property
    def _frame_pixels(self) -> int:
        return self.frame_patches * self.patch_size**2

    def _for_clips(self, config: dict[str, Any]) -> Self:
        tokens = count(config.get("max_soft_tokens", _GEMMA_CLIP_TOKENS), "max_soft_tokens")
        patches = min(tokens * self.kernel**2, self.max_patches)
        frames = min(MAX_CLIP_FRAMES, self.max_patches // patches, self.width - _HEAD)
        return replace(self, frame_patches=patches, clip_frames=frames)

    def _pooled(self, height: int, width: int, max_patches: int) -> tuple[int, int]:
        side, squares = self.kernel * self.patch_size, max_patches // self.kernel**2
        factor = sqrt(max_patches * self.patch_size**2 / (height * width))
        down, across = floor(factor * height / side), floor(factor * width / side)
        if down == 0:
            down, across = 1, min(width // height, squares)
        elif across == 0:
            down, across = min(height // width, squares), 1
        return down * self.kernel, across * self.kernel


@dataclass(frozen=True, slots=True)
class MergedPatches(ClipPatches):
    """Hold the settings of Qwen's pictures: as large as they are, within bounds."""

    merge: int = 2
    """Patches on each side of the square that becomes a token."""
    min_pixels: int = 0
    clip_pixels: tuple[int, int] = (0, 0)
    """Of all frames of a clip together, the fewest and the most."""

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Return the settings of a preprocessor_config.json.

        Raises:
            ModelUnsupported: A step is unknown, switched off or makes no sense.
        """
        given = _QWEN | {key: value for key, value in config.items() if value is not None}
        merge, together = (count(given.pop(key), key) for key in ("merge_size", _TOGETHER))
        if together != _NUM_TOGETHER:
            raise ModelUnsupported(f"its images are of {together} frames each")
        least, most = _bounds(given)
        patch = count(given["patch_size"], "patch_size")
        patches = max(min(most, MAX_PIXELS) // patch**2, merge**2)
        plain = PatchPreprocess.from_config(given | {"max_num_patches": patches})
        settings = {field.name: getattr(plain, field.name) for field in fields(plain)}
        return cls(**settings, merge=merge, min_pixels=min(least, patches * patch**2))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return how many patches an image of some size has, down and across.

        As Qwen's processor does, which refuses images more than 200 times as long as wide: these
        are taken for less long ones here.
        """
        return self._merged(height, width, 1, (self.min_pixels, self._max_pixels))

    def frame_grid(self, height: int, width: int, num_frames: int) -> tuple[int, int]:
        """Return how many patches each frame of a clip has: the more frames, the fewer."""
        side = self.merge * self.patch_size
        if min(height, width) < side:
            scale = side / min(height, width)
            height, width = int(height * scale), int(width * scale)
        return self._merged(height, width, num_frames, self.clip_pixels)

    @property
    def _max_pixels(self) -> int:
        return self.max_patches * self.patch_size**2

    @property
    def _frame_pixels(self) -> int:
        return self.clip_pixels[1] // max(1, self.clip_frames)

    def _for_clips(self, config: dict[str, Any]) -> Self:
        least, most = _bounds({"size": _QWEN_CLIP, **config})
        most = min(most, self._max_pixels)
        squares = most // (self.merge * self.patch_size) ** 2
        frames = min(MAX_CLIP_FRAMES, squares, self.width - _HEAD)
        frames -= frames % _NUM_TOGETHER
        return replace(self, clip_pixels=(min(least, most), most), clip_frames=frames)

    def _filled(self, items: Sequence[Any]) -> list[Any]:
        """Return an even number, the last one twice: two frames become patches together."""
        return [*items, *[items[-1]] * (-len(items) % _NUM_TOGETHER)]

    def _merged(
        self, height: int, width: int, num_frames: int, bounds: tuple[int, int]
    ) -> tuple[int, int]:
        height, width = max(height, width // _MAX_ASPECT), max(width, height // _MAX_ASPECT)
        side, (least, most) = self.merge * self.patch_size, bounds
        squares = num_frames * side**2
        down, across = round(height / side), round(width / side)
        if down * across * squares > most:
            shrink = sqrt(num_frames * height * width / most)
            down, across = (max(1, floor(edge / shrink / side)) for edge in (height, width))
        elif down * across * squares < least:
            grow = sqrt(least / (num_frames * height * width))
            down, across = (ceil(edge * grow / side) for edge in (height, width))
        while down * across * squares > most:  # of a very long one, the long side
            down, across = (down - 1, across) if down > across else (down, across - 1)
        return down * self.merge, across * self.merge


def clip_form(images: ImagePreprocess | None) -> ClipForm | None:
    """Return which frames of a clip a model wants; None where it takes no clips."""
    if not isinstance(images, ClipPatches) or not images.clip_frames:
        return None
    return ClipForm(images.clip_frames, images.clip_side)


def frames_of(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return the (n,) numbers of frames of (n, ..) rows that travelled; 0 of a picture."""
    written = rows[:, 0, _HEAD - 1, :2].astype(np.int64)
    return written[:, 0] * 256 + written[:, 1]


def times_s(row: npt.NDArray[np.uint8]) -> list[float]:
    """Return the seconds of the frames of a clip that travelled."""
    (num_frames,) = frames_of(row[None])
    written = row[0, _HEAD : _HEAD + num_frames].astype(np.int64)
    milliseconds = written @ np.array([1 << 16, 1 << 8, 1])
    return [float(each) / 1000 for each in milliseconds]


def _three_bytes(time_s: float) -> list[int]:
    return list(min(round(time_s * 1000), _MAX_MS).to_bytes(3, "big"))


def _bounds(given: dict[str, Any]) -> tuple[int, int]:
    """Return the fewest and the most pixels, taking them out of the settings."""
    size = given.pop("size")
    if not isinstance(size, Mapping):
        raise ModelUnsupported(f"its images are of size {size!r}")
    least = count(given.pop("min_pixels", size.get("shortest_edge")), "min_pixels")
    return least, count(given.pop("max_pixels", size.get("longest_edge")), "max_pixels")
