"""Pictures and encodings for the decoder's tests."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crossmodal.pictures import formats

Encode = Callable[..., bytes]


@pytest.fixture
def landscape() -> Image.Image:
    """Return a 96 x 64 picture whose four corners differ: red, green, blue and white."""
    image = Image.new("RGB", (96, 64), "grey")
    corners = {(0, 0): "red", (48, 0): "green", (0, 32): "blue", (48, 32): "white"}
    for (left, top), colour in corners.items():
        image.paste(colour, (left, top, left + 48, top + 32))
    return image


@pytest.fixture
def noise() -> Image.Image:
    """Return a 200 x 150 picture of noise over a gradient: large in any format."""
    rows, columns = np.mgrid[0:150, 0:200]
    base = np.stack([rows, columns, rows + columns], axis=-1) * 0.6
    values = base + np.random.default_rng(1).normal(0, 12, base.shape)
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


@pytest.fixture
def encode() -> Encode:
    """Return a function that encodes a picture: ``encode(image, "PNG", **options)``."""
    formats.register()

    def run(image: Image.Image, image_format: str, **options: Any) -> bytes:
        stream = io.BytesIO()
        image.save(stream, image_format, **options)
        return stream.getvalue()

    return run
