"""Convert every pixel mode of Pillow to RGB as a viewer would show it.

Owns the colour rules: alpha lies on white, deep grey is scaled and never clipped, LAB goes through
its profile. Refuses what has no defined colours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from crossmodal.errors import Refused

_WHITE = (255, 255, 255)
# Files say nothing about the range of 32-bit values: the first of these that holds them is taken.
_FULL_SCALES = {"I": (255.0, 65535.0), "F": (1.0, 255.0, 65535.0)}


def to_rgb(image: Image.Image) -> Image.Image:
    """Return the loaded image as RGB."""
    if image.mode.startswith("I;16"):
        return _grey(np.right_shift(np.asarray(image), 8).astype(np.uint8))
    if image.mode in _FULL_SCALES:
        return _grey(_scaled(np.asarray(image, dtype=np.float32), _FULL_SCALES[image.mode]))
    if image.mode == "LAB":
        return _from_lab(image)
    if image.has_transparency_data:
        return _on_white(image)
    try:
        return image.convert("RGB")
    except ValueError as error:
        raise Refused("unsupported_mode", f"pixels of mode {image.mode}: {error}") from error


def _grey(values: npt.NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(values).convert("RGB")


def _scaled(
    values: npt.NDArray[np.float32], full_scales: tuple[float, ...]
) -> npt.NDArray[np.uint8]:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        raise Refused("unsupported_mode", "no pixel has a finite value")
    low, high = float(finite.min()), float(finite.max())
    full = next((scale for scale in full_scales if low >= 0 and high <= scale), None)
    low, span = (0.0, full) if full is not None else (low, high - low)
    unit = (np.nan_to_num(values, nan=low, posinf=high, neginf=low) - low) / (span or 1.0)
    eight_bit: npt.NDArray[np.uint8] = np.rint(np.clip(unit, 0.0, 1.0) * 255).astype(np.uint8)
    return eight_bit


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    assert converted is not None  # only an in-place conversion returns nothing
    return converted


def _on_white(image: Image.Image) -> Image.Image:
    coloured = image.convert("RGBA")
    canvas = Image.new("RGB", image.size, _WHITE)
    canvas.paste(coloured, mask=coloured.getchannel("A"))
    return canvas
