"""Decode pictures that are learned from, as indexing does, and keep their pixels while they fit."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from crossmodal.errors import PairsError, Refused
from crossmodal.models.image_preprocess import ImagePreprocess
from crossmodal.previews.preview import Subject

if TYPE_CHECKING:
    from PIL import Image

_MAX_KEPT_BYTES = 2_000_000_000
_MAX_FILE_BYTES = 512_000_000

Pixels = npt.NDArray[np.uint8]


class PixelStore:
    """Give the pixels of pictures as a model takes them."""

    def __init__(self, preprocess: ImagePreprocess) -> None:
        self._preprocess = preprocess
        self._known: dict[int, Pixels] = {}

    def of(self, pictures: Sequence[Subject]) -> Pixels:
        """Return (n, height, width, 3) uint8 pixels.

        Raises:
            PairsError: a picture cannot be read any more.
        """
        return np.stack([self._of(picture) for picture in pictures])

    def _of(self, picture: Subject) -> Pixels:
        known = self._known.get(id(picture))
        if known is not None:
            return known
        try:
            shown = decoded(picture, self._preprocess.min_side)
        except Refused as refused:
            raise PairsError(
                f"{picture.uri} can be learned from no more: {refused.detail}. Index again, or "
                "leave it out"
            ) from refused
        pixels: Pixels = self._preprocess.apply(shown)
        if (len(self._known) + 1) * pixels.nbytes < _MAX_KEPT_BYTES:
            self._known[id(picture)] = pixels
        return pixels


def decoded(picture: Subject, min_side: int) -> Image.Image:
    """Return a picture as indexing decodes it, or the part of a document or film.

    Raises:
        Refused: it is gone, changed or damaged.
    """
    from PIL import Image

    from crossmodal.chunking.walled_picture import decode_walled
    from crossmodal.files.read import read_source
    from crossmodal.pictures.decode import ImageLimits
    from crossmodal.previews.content import content_of
    from crossmodal.previews.preview import preview

    if picture.kind == "image":
        limits = ImageLimits(min_side=min_side)
        return decode_walled(read_source(picture.uri, _MAX_FILE_BYTES), limits).image
    shown = preview(picture, content_of(picture.uri), 2 * min_side)
    return Image.open(io.BytesIO(shown)).convert("RGB")
