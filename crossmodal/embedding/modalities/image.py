"""Embed pictures: uint8 pixels travel, as the model takes them; a caption may move the vector.

A picture inside a source is decoded under the same guards as one that is a file. The frames of a
clip travel together, as large as a picture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from crossmodal.embedding.modalities.row import Handling, OneShape, Preparing

if TYPE_CHECKING:
    from crossmodal.chunking.pieces import Piece
    from crossmodal.embedding.rows import CutChunk
    from crossmodal.encoders.encoder import Encoded, Encoder
    from crossmodal.encoders.lineup_encoders import Encoders


def payload(piece: Piece, preparing: Preparing, facts: dict[str, Any]) -> bytes:
    """Return the pixels that the model takes, (height, width, 3) uint8.

    Raises:
        Refused: The picture cannot be decoded, or is too large.
    """
    from PIL import Image

    from crossmodal.models.clip_preprocess import ClipPatches
    from crossmodal.models.prepared_picture import prepare_walled

    preprocess = preparing.encoders.of("image").preprocess
    if piece.moments:
        assert isinstance(preprocess, ClipPatches), f"a {piece.kind} where no clips are taken"
        frames = [Image.fromarray(moment.picture) for moment in piece.moments]
        return preprocess.clip(frames, [moment.time_s for moment in piece.moments]).tobytes()
    assert piece.picture is not None, f"a {piece.kind} without a picture"
    if not isinstance(piece.picture, bytes):
        return preprocess.apply(Image.fromarray(piece.picture)).tobytes()
    options = preparing.options
    prepared = prepare_walled(
        piece.picture, options.max_megapixels, preprocess, options.chunk_rules
    )
    facts |= {"width": prepared.width, "height": prepared.height, "format": prepared.format}
    facts |= {"taken": prepared.taken} if prepared.taken else {}
    facts |= {"phash": prepared.phash} if prepared.phash else {}
    facts |= {"colours": prepared.colours, "quality": prepared.quality}
    return prepared.pixels


def encode(encoders: Encoders, chunks: list[CutChunk], caption_weight: float) -> Encoded:
    """Return the vectors of pictures, those with captions moved towards them."""
    encoder = encoders.of("image")
    shape = (len(chunks), *encoder.image_size, 3)
    pixels = np.frombuffer(b"".join(chunk.payload for chunk in chunks), np.uint8)
    encoded = encoder.encode_images(pixels.reshape(shape))
    if caption_weight > 0:
        _mix_captions(encoder, chunks, encoded, caption_weight)
    return encoded


def shape_name(encoder: Encoder) -> str:
    """Return the size of a picture as the model takes it: ``224x224``."""
    return "x".join(map(str, encoder.image_size))


def random_pass(encoder: Encoder, num_items: int) -> Callable[[], object]:
    """Return a forward pass over pictures of noise."""
    pixels = encoder.preprocess.noise(num_items)
    return lambda: encoder.encode_images(pixels)


def _mix_captions(
    encoder: Encoder, chunks: list[CutChunk], encoded: Encoded, weight: float
) -> None:
    """Move the vectors of captioned pictures towards their captions, in place."""
    rows = [r for r, chunk in enumerate(chunks) if chunk.caption and r not in encoded.failed]
    if not rows:
        return
    words = encoder.encode_texts([chunks[row].caption for row in rows])
    mixed = (1 - weight) * encoded.vectors[rows] + weight * words
    encoded.vectors[rows] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)


HANDLING = Handling(payload=payload, encode=encode, one_shape=OneShape(shape_name, random_pass))
