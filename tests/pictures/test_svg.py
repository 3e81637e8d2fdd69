"""SVG: drawn on white, without what lies elsewhere, and refused in words where that cannot be."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from crossmodal.errors import Refused
from crossmodal.pictures.decode import decode
from crossmodal.pictures.svg import is_svg

pytest.importorskip("resvg_py", reason="crossmodal[svg] is not installed")

BEGIN = b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" '


def reason(data: bytes) -> str:
    with pytest.raises(Refused) as caught:
        decode(data)
    return caught.value.reason


def test_drawing_is_drawn_on_white_in_its_shape() -> None:
    red = b'<rect width="40" height="40" fill="red"/></svg>'
    drawn = decode(BEGIN + b'width="80" height="40">' + red)
    assert (drawn.format, drawn.image.size) == ("SVG", (1024, 512))
    pixels = np.asarray(drawn.image)
    assert pixels[256, 100].tolist() == [255, 0, 0]
    assert pixels[256, 1000].tolist() == [255, 255, 255]
    assert decode(BEGIN + b'width="40mm" height="20mm">' + red).image.width == 1024


def test_view_box_says_the_shape_where_no_size_does() -> None:
    drawn = decode(BEGIN + b'viewBox="0 0 10 40" width="100%"><circle r="4" cx="5" cy="5"/></svg>')
    assert drawn.image.size == (256, 1024)


def test_files_that_a_drawing_names_are_left_out(tmp_path: Path, encode_png: bytes) -> None:
    (tmp_path / "secret.png").write_bytes(encode_png)
    named = f'<image href="{tmp_path / "secret.png"}" width="90" height="90"/>'
    drawn = decode(BEGIN + f'width="90" height="90">{named}</svg>'.encode())
    assert np.asarray(drawn.image).min() == 255


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (BEGIN + b'width="9" height="9"><rect', "decoder_error"),
        (BEGIN + b'width="0" height="9"/>', "no_content"),
        (BEGIN + b'width="100000" height="1"/>', "unsupported_format"),
        (BEGIN + b'width="1e999" height="1"/>', "unsupported_format"),
        (BEGIN, "decoder_error"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_a_reason(data: bytes, why: str) -> None:
    assert reason(data) == why


def test_entities_that_unfold_without_end_are_nothing() -> None:
    bomb = b"<!DOCTYPE svg [<!ENTITY a 'aaaaaaaaaa'>" + b"".join(
        b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(12)
    )
    data = (
        bomb
        + b']><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><text>&m;</text></svg>'
    )
    assert is_svg(data)
    began_s = time.monotonic()
    with suppress(Refused):
        assert np.asarray(decode(data).image).min() == 255
    assert time.monotonic() - began_s < 2


@pytest.fixture
def encode_png(tmp_path: Path) -> bytes:
    from PIL import Image

    Image.new("RGB", (9, 9), "black").save(tmp_path / "black.png")
    return (tmp_path / "black.png").read_bytes()
