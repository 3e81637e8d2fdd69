"""Cut a picture into overlapping squares, so that what is small in it has a vector of its own.

Owns where the regions lie, and the way of their pixels out of the walled process. The whole picture
is the chunk before them, and they belong to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crossmodal.chunking.rules import ChunkRules
from crossmodal.pictures.fractions import Fractions, pixels_of
from crossmodal.sandbox.pool import run_in_child

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

_STEP = 0.75
"""Of a region's side, from one to the next along the shorter side: what a cut divides is whole in
the neighbour if it is not larger than a quarter."""
_LONGEST_STEP = 0.9
"""The same along the longer side, where the last region has to end with the picture."""
_USUAL_SIDE = 224
"""What a model takes whose input has no side of its own."""


@dataclass(frozen=True, slots=True)
class Region:
    """Hold a part of a picture as it travels."""

    rgb: npt.NDArray[np.uint8]
    """(height, width, 3)."""
    box: Fractions
    width: int
    """Of the whole picture, as is the height."""
    height: int
    format: str
    taken: str


def _sides_along(along: int) -> float:
    """Return how long the shorter side of a picture is, in sides of its regions."""
    return 1 + (along - 1) * _STEP


def boxes(width: int, height: int, along: int) -> list[Fractions]:
    """Return the regions of a picture, ``along`` of them along its shorter side, row by row.

    None where one would be nearly the whole.
    """
    side = min(width, height) / _sides_along(along)
    across, down = (_starts(length, side, along) for length in (width, height))
    if len(across) * len(down) == 1:
        return []
    return [
        (
            round(left / width, 4),
            round(top / height, 4),
            round((left + side) / width, 4),
            round((top + side) / height, 4),
        )
        for top in down
        for left in across
    ]


def walled_regions(data: bytes, rules: ChunkRules, model_side: int | None) -> Iterator[Region]:
    """Yield the regions of an encoded picture; none where they would be blurred.

    ``model_side`` is the shorter side in pixels of what the model takes; None where it has none.

    Raises:
        Refused: It cannot be decoded, is too large, or takes too long or too much memory.
    """
    return run_in_child(
        regions,
        data,
        rules.max_megapixels,
        rules.regions,
        model_side,
        yields=(Region,),
        max_seconds=rules.max_seconds,
        max_memory_bytes=rules.max_memory_bytes,
    )


def regions(
    data: bytes, max_megapixels: float, along: int, model_side: int | None
) -> Iterator[Region]:
    """Yield the regions of an encoded picture; runs in the child.

    A region of fewer pixels than half of what the model takes shows it nothing that the whole does
    not, so a picture with such has none.
    """
    import numpy as np

    from crossmodal.pictures.decode import ImageLimits, decode

    least = (model_side or _USUAL_SIDE) / 2
    wanted = model_side and math.ceil(model_side * _sides_along(along))
    decoded = decode(data, ImageLimits(max_megapixels, wanted))
    if min(decoded.width, decoded.height) < least * _sides_along(along):
        return
    for box in boxes(decoded.width, decoded.height, along):
        rgb = np.asarray(decoded.image.crop(pixels_of(box, decoded.image.size)))
        yield Region(rgb, box, decoded.width, decoded.height, decoded.format, decoded.taken)


def _starts(length: float, side: float, along: int) -> list[float]:
    """Return where regions begin along one side of a picture, the last of them at its end."""
    left = length - side
    num = max(along, math.ceil(left / (_LONGEST_STEP * side)) + 1)
    return [left * number / (num - 1) if num > 1 else 0.0 for number in range(num)]
