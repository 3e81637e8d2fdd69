"""Give pictures that look alike hashes that hardly differ.

The hash is of 64 bits: which of the 64 slowest waves of the picture's brightness are above their
median (pHash; Zauner, 2010). Scaling, compression and a change of brightness move few of them.
Another crop or a mirrored picture is another picture to it: that is for the vectors to find.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image

_SIDE, _WAVES = 32, 8
_FLAT = 2.0


def hash_of(picture: Image.Image) -> int | None:
    """Return the 64 bits of a picture as a number; None where it is of one colour throughout."""
    from PIL import Image as images

    grey = picture.convert("L").resize((_SIDE, _SIDE), images.Resampling.LANCZOS)
    brightness = np.asarray(grey, np.float32)
    if brightness.std() < _FLAT:
        return None
    waves = _cosines() @ brightness @ _cosines().T
    slow = waves[:_WAVES, :_WAVES].reshape(-1)
    bits = slow > np.median(slow[1:])
    return int(np.packbits(bits).view(">u8")[0])


@lru_cache(maxsize=1)
def _cosines() -> npt.NDArray[np.float32]:
    """Return the (32, 32) matrix of the discrete cosine transform."""
    wave, place = np.arange(_SIDE)[:, None], np.arange(_SIDE)[None, :]
    return np.cos(np.pi * wave * (2 * place + 1) / (2 * _SIDE)).astype(np.float32)
