"""Decode the bytes of one image into the RGB picture that a person would see.

Owns formats, orientation, size limits and the scale at which a JPEG is decoded; refuses to resize
to the model's input, which is the encoder's preprocessing. What comes out was decoded whole: a
truncated, oversized or half-readable file raises ``Refused`` and never yields pixels.
"""

from __future__ import annotations

import io
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

from PIL import ExifTags, Image

from crossmodal.errors import Refused
from crossmodal.pictures import formats
from crossmodal.pictures.colour import to_rgb
from crossmodal.pictures.jxl_header import jxl_size
from crossmodal.pictures.pillow_guard import PillowGuard
from crossmodal.pictures.refusal import refuse
from crossmodal.pictures.svg import draw_svg, is_svg

__all__ = ["DecodedImage", "ImageLimits", "Refused", "decode"]

_SCALABLE_FORMATS = {"JPEG", "MPO"}
# Vector and container formats that Pillow names but reads only through other programs, or not.
_UNREADABLE_FORMATS = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}
_UNREADABLE_EXIF = (SyntaxError, ValueError, TypeError, LookupError, OSError, struct.error)
_LARGE_PIXELS = 20_000_000
_HEAD_BYTES = 4096
_LARGE_TURN = threading.Lock()
_GUARD = PillowGuard()
_TRANSPOSES = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """Bound what a decode may cost."""

    max_megapixels: float = 89.5
    """Of the image as stored; 89.5 is where Pillow suspects a decompression bomb."""
    min_side: int | None = None
    """Shorter side that the caller needs; a JPEG may come out smaller than it is, but not less."""

    @property
    def max_pixels(self) -> int:
        """Return the limit in pixels."""
        return int(self.max_megapixels * 1_000_000)


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """Hold an upright RGB image; a scaled decode keeps the size of the original."""

    image: Image.Image
    width: int
    height: int
    format: str
    taken: str = ""
    """When the camera took it, by its own clock: ``2024-01-31T12:00:00``; empty where unknown."""


def decode(data: bytes, limits: ImageLimits | None = None) -> DecodedImage:
    """Decode the first frame, upright, on white, whole or not at all.

    Raises:
        Refused: The bytes are empty, no image, damaged, too large or of an unreadable kind.
    """
    limits = limits or ImageLimits()
    if not data:
        raise Refused("empty", "the file has no bytes")
    formats.register()
    with _GUARD.limit(limits.max_pixels):
        try:
            return _decode(data, limits)
        except (Refused, KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # a panic inside a Rust plug-in is no Exception
            refuse(error, data)


def _decode(data: bytes, limits: ImageLimits) -> DecodedImage:
    if is_svg(data[:_HEAD_BYTES]):
        return replace(_decode(draw_svg(data), limits), format="SVG")
    declared = jxl_size(data)
    if declared is not None:
        _check_size(declared, limits)
    with Image.open(io.BytesIO(data)) as image:
        stored_format = image.format or "unknown"
        if stored_format in _UNREADABLE_FORMATS:
            raise Refused(
                "unsupported_format",
                f"{stored_format} is drawn by other programs, which are not called",
            )
        _check_size(image.size, limits)
        with _large_images_in_turn(image.size):
            return _load(image, stored_format, limits.min_side)


def _check_size(size: tuple[int, int], limits: ImageLimits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise Refused(
            "too_many_pixels",
            f"{width} x {height} is {width * height / 1e6:.1f} megapixels; "
            f"the limit is {limits.max_megapixels:g}",
        )


@contextmanager
def _large_images_in_turn(size: tuple[int, int]) -> Iterator[None]:
    """Let one thread at a time hold a large image, so that memory does not grow with cores."""
    if size[0] * size[1] <= _LARGE_PIXELS:
        yield
        return
    with _LARGE_TURN:
        yield


def _load(image: Image.Image, stored_format: str, min_side: int | None) -> DecodedImage:
    full_size = image.size
    if min_side and stored_format in _SCALABLE_FORMATS:
        image.draft("RGB", (min_side, min_side))
        image.load()
    else:
        image.load()
        full_size = image.size  # some formats know better, or turn upright, only now
    _check_layers(image)
    orientation, taken = _orientation(image), _taken(image)
    upright = to_rgb(image)
    if orientation in _TRANSPOSES:
        upright = upright.transpose(_TRANSPOSES[orientation])
    width, height = full_size[::-1] if orientation in (5, 6, 7, 8) else full_size
    return DecodedImage(upright, width, height, stored_format, taken)


def _check_layers(image: Image.Image) -> None:
    """Read the layer table of a PSD: its merged picture can be whole while the rest is broken."""
    if image.format == "PSD":
        getattr(image, "n_frames", 1)


def _orientation(image: Image.Image) -> int:
    # JPEG XL carries its orientation in the codestream, already applied; its EXIF tag is a copy.
    # Only a repacked JPEG comes out as it was stored.
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        return 1
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except _UNREADABLE_EXIF:
        return 1  # unreadable EXIF says nothing against the pixels


def _taken(image: Image.Image) -> str:
    """Return when the picture was taken; empty where it does not say, or nothing that can be."""
    try:
        exif = image.getexif().get_ifd(ExifTags.IFD.Exif)
        said = exif.get(ExifTags.Base.DateTimeOriginal) or exif[ExifTags.Base.DateTimeDigitized]
        return datetime.strptime(str(said)[:19], "%Y:%m:%d %H:%M:%S").isoformat()
    except _UNREADABLE_EXIF:
        return ""
