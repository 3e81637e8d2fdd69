"""Decode a picture and make of it the pixels that a model takes, in the walled process.

Owns nothing but the way there: the small pixels travel back and not the picture, which is four
times as large and would cost as much again as decoding it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crossmodal.chunking.rules import ChunkRules
from crossmodal.sandbox.pool import run_in_child

if TYPE_CHECKING:
    from crossmodal.models.image_preprocess import ImagePreprocess


@dataclass(frozen=True, slots=True)
class PreparedPicture:
    """Hold a picture as the model takes it, and what it was."""

    pixels: bytes
    """(height, width, 3) uint8 in rows, of the size that the model takes."""
    width: int
    """Of the original, as is the height."""
    height: int
    format: str
    taken: str = ""
    """When the camera took it; empty where unknown."""
    phash: str = ""
    """Its perceptual hash, 16 hexadecimal digits; empty where it is of one colour throughout."""
    colours: str = ""
    """32 hexadecimal digits: see ``crossmodal.pictures.colour_histogram``."""
    quality: dict[str, Any] = field(default_factory=dict)
    """How it was taken, as ``crossmodal.pictures.quality.Quality`` tells it."""


def prepare_walled(
    data: bytes, max_megapixels: float, preprocess: ImagePreprocess, rules: ChunkRules
) -> PreparedPicture:
    """Return an encoded picture as a model takes it.

    Raises:
        Refused: It cannot be decoded, is too large, or takes too long or too much memory.
    """
    (prepared,) = run_in_child(
        prepare,
        data,
        max_megapixels,
        preprocess,
        yields=(PreparedPicture,),
        max_seconds=rules.max_seconds,
        max_memory_bytes=rules.max_memory_bytes,
    )
    return prepared


def prepare(
    data: bytes, max_megapixels: float, preprocess: ImagePreprocess
) -> Iterator[PreparedPicture]:
    """Yield an encoded picture as a model takes it; runs in the child."""
    from crossmodal.pictures.colour_histogram import colours_of
    from crossmodal.pictures.decode import ImageLimits, decode
    from crossmodal.pictures.perceptual_hash import hash_of
    from crossmodal.pictures.quality import quality_of

    decoded = decode(data, ImageLimits(max_megapixels, preprocess.min_side))
    pixels = preprocess.apply(decoded.image).tobytes()
    bits = hash_of(decoded.image)
    yield PreparedPicture(
        pixels,
        decoded.width,
        decoded.height,
        decoded.format,
        decoded.taken,
        phash="" if bits is None else f"{bits:016x}",
        colours=colours_of(decoded.image),
        quality=quality_of(decoded.image).to_dict(),
    )
