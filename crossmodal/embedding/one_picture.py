"""Embed one picture outside any collection: the query of a search by image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from crossmodal.chunking.walled_picture import decode_walled
from crossmodal.embedding.options import EmbedOptions
from crossmodal.encoders.encoder import Encoder
from crossmodal.errors import PathError
from crossmodal.files.read import is_remote, read_source
from crossmodal.pictures.decode import ImageLimits, Refused

if TYPE_CHECKING:
    from PIL.Image import Image


def encode_picture(
    encoder: Encoder, uri: str, options: EmbedOptions | None = None
) -> npt.NDArray[np.float32]:
    """Return the (dim,) float32 vector, L2-normalised, of a picture at a path or URL.

    Raises:
        PathError: It cannot be read, decoded or embedded.
    """
    options = options or EmbedOptions()
    place = uri if is_remote(uri) else os.path.abspath(os.path.expanduser(uri))
    limits = ImageLimits(options.max_megapixels, encoder.preprocess.min_side)
    try:
        picture = decode_walled(read_source(place, options.max_file_bytes), limits).image
    except Refused as refused:
        reason = "there is no such file" if refused.reason == "missing" else refused.detail
        raise PathError(f"{uri} cannot be used as a picture: {reason}") from refused
    return encode_decoded(encoder, picture, uri)


def encode_decoded(encoder: Encoder, picture: Image, name: str) -> npt.NDArray[np.float32]:
    """Return the (dim,) float32 vector, L2-normalised, of a decoded picture.

    Raises:
        PathError: It cannot be embedded; ``name`` says which.
    """
    encoded = encoder.encode_images(encoder.preprocess.apply(picture)[None])
    if encoded.failed:
        raise PathError(f"{name} cannot be embedded: {encoded.failed[0].detail}")
    vector: npt.NDArray[np.float32] = encoded.vectors[0]
    return vector
