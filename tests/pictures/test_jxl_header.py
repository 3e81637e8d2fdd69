from __future__ import annotations

import pytest
from PIL import Image

from crossmodal.pictures.jxl_header import jxl_size

SIZES = [(1, 1), (8, 8), (256, 256), (100, 75), (75, 100), (1000, 3), (16, 9), (640, 360), (700, 9)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("container", [True, False])
def test_declared_size_is_read_without_decoding(encode, size, container) -> None:
    data = encode(Image.new("RGB", size), "JXL", use_container=container)
    assert jxl_size(data) == size


@pytest.mark.parametrize(
    "data", [b"", b"\x89PNG", b"\xff\xd8\xff", b"\x00\x00\x00\x0cJXL \r\n\x87\n"]
)
def test_other_data_has_no_jpeg_xl_size(data) -> None:
    assert jxl_size(data) is None
