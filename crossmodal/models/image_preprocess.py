"""Turn a decoded image into the pixels that a model was trained on.

Owns the reading of preprocessor_config.json and the resize and crop; refuses to normalise, which
happens beside the model, and refuses any step that it does not know, because a silently skipped
step would give vectors of another space. Two equal fingerprints give equal pixels.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from crossmodal.chunking.registry import DECODE_REVISION
from crossmodal.errors import ModelUnsupported

if TYPE_CHECKING:
    from PIL import Image

PREPROCESS_REVISION = 2
"""Raised when the same settings would give other pixels; part of the fingerprint."""

# A JPEG decoded at just the model's input size leaves nothing to smooth: cosine with the vector of
# the full decode fell to 0.93; with a quarter more it stays above 0.996, and as fast on photos.
DECODE_MARGIN = 1.25

# A much larger picture is first averaged down in whole steps to this many times its target: four
# times as fast, and the pixels differ by a fifth of a grey level on average.
REDUCING_GAP = 3.0

_CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
_CLIP_STD = [0.26862954, 0.26130258, 0.27577711]
_HALF = [0.5, 0.5, 0.5]
_COMMON = {
    "do_resize": True,
    "do_rescale": True,
    "do_normalize": True,
    "do_center_crop": False,
    "rescale_factor": 1 / 255,
    "resample": 3,
}
_CLIP = {
    **_COMMON,
    "size": {"shortest_edge": 224},
    "crop_size": 224,
    "do_center_crop": True,
    "image_mean": _CLIP_MEAN,
    "image_std": _CLIP_STD,
}
_SQUARE = {
    **_COMMON,
    "size": {"height": 224, "width": 224},
    "image_mean": _HALF,
    "image_std": _HALF,
}
# What older configurations leave out, as the processors of that name fill it in.
_FAMILIES: dict[str, dict[str, Any]] = {
    "CLIP": _CLIP,
    "ChineseCLIP": _CLIP,
    "Siglip": _SQUARE,
    "Tipsv2": {
        **_SQUARE,
        "size": {"height": 448, "width": 448},
        "resample": 2,
        "do_normalize": False,
    },
    "ViT": {**_SQUARE, "resample": 2},
    "Blip": {
        **_SQUARE,
        "size": {"height": 384, "width": 384},
        "image_mean": _CLIP_MEAN,
        "image_std": _CLIP_STD,
    },
}
_STEPS = set(_CLIP)
_NO_STEPS = {
    "image_processor_type",
    "feature_extractor_type",
    "processor_class",
    "_processor_class",
    "auto_map",
    "do_convert_rgb",
    "default_to_square",
    "data_format",
    "input_data_format",
    "image_seq_length",
    "use_fast",
}


@dataclass(frozen=True, slots=True)
class ImagePreprocess:
    """Hold the effective settings: resize, centre crop, then rescale and normalise."""

    shortest_edge: int | None
    """Resize to this shorter side and keep the aspect; None to stretch."""
    stretch: tuple[int, int] | None
    """Resize to this (height, width); None to keep the aspect."""
    height: int
    width: int
    resample: int
    """Pillow's number of the filter."""
    rescale: float
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> ImagePreprocess:
        """Return the settings of a preprocessor_config.json.

        Raises:
            ModelUnsupported: A step is unknown, switched off or without its numbers.
        """
        steps = _complete(config)
        shortest_edge, stretch = _read_size(steps["size"], _family(config))
        height, width = _output_size(steps, stretch)
        if min(stretch or (shortest_edge or 0, 1 << 30)) < max(height, width):
            raise ModelUnsupported(
                f"the crop of {height} x {width} is larger than the resized image ({steps['size']})"
            )
        normalise = steps["do_normalize"]
        return cls(
            shortest_edge=shortest_edge,
            stretch=stretch,
            height=height,
            width=width,
            resample=int(steps["resample"]),
            rescale=float(steps["rescale_factor"]) if steps["do_rescale"] else 1.0,
            mean=tuple(map(float, steps["image_mean"])) if normalise else (0.0, 0.0, 0.0),
            std=tuple(map(float, steps["image_std"])) if normalise else (1.0, 1.0, 1.0),
        )

    @property
    def min_side(self) -> int:
        """Return the shorter side, in pixels, that an image should have before the resize."""
        side = self.shortest_edge or max(self.stretch or (self.height, self.width))
        return ceil(side * DECODE_MARGIN)

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256, in hex, of all that decides the pixels a model sees."""
        settings = {
            **asdict(self),
            "min_side": self.min_side,
            "preprocess_revision": PREPROCESS_REVISION,
            "decode_revision": DECODE_REVISION,
        }
        return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()

    def apply(self, image: Image.Image) -> npt.NDArray[np.uint8]:
        """Return the (height, width, 3) pixels of an RGB image, resized and cropped."""
        # Only the window that the crop keeps is computed: the rest of a very long or very wide
        # image may be thousands of times larger. The filter still sees the pixels around it.
        resized_width, resized_height = self._resized(image.width, image.height)
        across, down = image.width / resized_width, image.height / resized_height
        left, top = (resized_width - self.width) // 2, (resized_height - self.height) // 2
        window = (
            left * across,
            top * down,
            min((left + self.width) * across, image.width),
            min((top + self.height) * down, image.height),
        )
        pixels = image.resize(
            (self.width, self.height),
            resample=self.resample,
            box=window,
            reducing_gap=REDUCING_GAP,
        )
        return np.asarray(pixels)

    def noise(self, num_items: int) -> npt.NDArray[np.uint8]:
        """Return (num_items, height, width, 3) random pixels, the same at every call."""
        rng = np.random.default_rng(num_items)
        return rng.integers(0, 256, (num_items, self.height, self.width, 3), np.uint8)

    def _resized(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) of the whole image after the resize."""
        if self.stretch:
            return self.stretch[1], self.stretch[0]
        edge = self.shortest_edge or self.height
        if width <= height:
            return edge, int(edge * height / width)
        return int(edge * width / height), edge


def _family(config: dict[str, Any]) -> str:
    name = config.get("image_processor_type") or config.get("feature_extractor_type") or ""
    return re.sub(r"(ImageProcessor|FeatureExtractor)(Fast|Pil)?$", "", str(name))


def _complete(config: dict[str, Any]) -> dict[str, Any]:
    """Return every step with its setting, refusing what is unknown, missing or switched off."""
    given = {key: value for key, value in config.items() if value is not None}
    unknown = [key for key in given if key not in _STEPS | _NO_STEPS and given[key] is not False]
    if unknown:
        raise ModelUnsupported(
            f"its image preprocessing has steps that are not known here: {', '.join(unknown)}; "
            "known are resize, centre crop, rescale and normalise"
        )
    steps = {**_FAMILIES.get(_family(config), _COMMON), **given}
    missing = [key for key in ("size", "image_mean", "image_std") if key not in steps]
    if missing or not steps["do_resize"]:
        raise ModelUnsupported(
            f"its image preprocessing does not say {', '.join(missing) or 'how to resize'}, "
            "so its images would have no fixed shape"
        )
    return steps


def _read_size(size: Any, family: str) -> tuple[int | None, tuple[int, int] | None]:
    """Return (shortest edge, None) or (None, (height, width))."""
    if isinstance(size, int) and family in _FAMILIES:
        return (size, None) if _FAMILIES[family] is _CLIP else (None, (size, size))
    if isinstance(size, dict) and {key for key, value in size.items() if value} == {
        "shortest_edge"
    }:
        return int(size["shortest_edge"]), None
    if isinstance(size, dict) and {"height", "width"} == {k for k, v in size.items() if v}:
        return None, (int(size["height"]), int(size["width"]))
    raise ModelUnsupported(
        f"its images are resized to {size!r}; known are a shortest_edge, or a height and a width"
    )


def _output_size(steps: dict[str, Any], stretch: tuple[int, int] | None) -> tuple[int, int]:
    if steps["do_center_crop"]:
        crop = steps["crop_size"]
        return (crop, crop) if isinstance(crop, int) else (int(crop["height"]), int(crop["width"]))
    if stretch is None:
        raise ModelUnsupported("its images keep their aspect and are not cropped to one shape")
    return stretch
