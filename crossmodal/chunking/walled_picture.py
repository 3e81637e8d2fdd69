"""Decode a picture in the walled process, and hold it here as pixels.

Owns how pixels travel; which formats there are, and what is refused, is ``pictures.decode``'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmodal.chunking.rules import ChunkRules
from crossmodal.sandbox.pool import run_in_child

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from crossmodal.pictures.decode import DecodedImage, ImageLimits


@dataclass(frozen=True, slots=True)
class Pixels:
    """Hold an upright picture as it travels."""

    rgb: npt.NDArray[np.uint8]
    """(height, width, 3)."""
    width: int
    """Of the original, as is the height."""
    height: int
    format: str


def decode_walled(
    data: bytes, limits: ImageLimits | None = None, rules: ChunkRules | None = None
) -> DecodedImage:
    """Return the first frame of a picture, upright, on white, whole or not at all.

    Raises:
        Refused: The bytes are empty, no image, damaged, too large or of an unreadable kind; or
            they take too long, or too much memory.
    """
    from PIL import Image

    from crossmodal.pictures.decode import DecodedImage, ImageLimits

    limits, rules = limits or ImageLimits(), rules or ChunkRules()
    (found,) = run_in_child(
        pixels,
        data,
        limits.max_megapixels,
        limits.min_side,
        yields=(Pixels,),
        max_seconds=rules.max_seconds,
        max_memory_bytes=rules.max_memory_bytes,
    )
    return DecodedImage(Image.fromarray(found.rgb), found.width, found.height, found.format)


def pixels(data: bytes, max_megapixels: float, min_side: int | None) -> Iterator[Pixels]:
    """Yield the pixels of a picture; runs in the child."""
    import numpy as np

    from crossmodal.pictures.decode import ImageLimits, decode

    decoded = decode(data, ImageLimits(max_megapixels, min_side))
    yield Pixels(np.asarray(decoded.image), decoded.width, decoded.height, decoded.format)
