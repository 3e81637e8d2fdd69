"""Make small pictures of sources, for contact sheets and reports.

Owns the size of what is shown; refuses to keep anything. A source may be gone, changed or damaged
by now, so every failure is a ``Refused`` with a reason to show, under the same guards as indexing.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

MAX_FILE_BYTES = 512_000_000
_REPORT_SIDE_PX = 128


def thumbnail(uri: str, box: tuple[int, int]) -> Image.Image:
    """Return the source as an RGB picture that fits into ``box`` (width, height), never enlarged.

    Raises:
        Refused: The source is missing, unreadable, too large or no whole image.
    """
    from PIL import Image

    from crossmodal.chunking.walled_picture import decode_walled
    from crossmodal.files.read import read_source
    from crossmodal.pictures.decode import ImageLimits

    # Twice the box: the last halving is left to the good filter, not to the JPEG decoder.
    limits = ImageLimits(min_side=2 * max(box))
    picture = decode_walled(read_source(uri, MAX_FILE_BYTES), limits).image
    picture.thumbnail(box, Image.Resampling.LANCZOS)
    return picture


def thumbnail_png(uri: str, side_px: int = _REPORT_SIDE_PX) -> bytes | None:
    """Return the source as PNG bytes within a square, or None where it cannot be shown."""
    from crossmodal.errors import Refused

    try:
        picture = thumbnail(uri, (side_px, side_px))
    except Refused:
        return None
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
