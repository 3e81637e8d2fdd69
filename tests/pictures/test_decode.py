from __future__ import annotations

import io
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import ExifTags, Image

from crossmodal.pictures.decode import ImageLimits, Refused, decode

# How the stored pixels follow from the upright picture, by EXIF orientation.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def difference(first: Image.Image, second: Image.Image) -> float:
    """Return the mean difference of two pictures of one size, in grey levels."""
    return float(np.abs(np.asarray(first, np.int16) - np.asarray(second, np.int16)).mean())


def reason_of(data: bytes, limits: ImageLimits | None = None) -> str:
    with pytest.raises(Refused) as caught:
        decode(data, limits)
    return caught.value.reason


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "HEIF"])
def test_picture_comes_out_upright(landscape, encode, orientation, image_format) -> None:
    method = STORED[orientation]
    stored = landscape.transpose(method) if method is not None else landscape
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    decoded = decode(encode(stored, image_format, exif=exif.tobytes()))
    assert decoded.image.size == (decoded.width, decoded.height) == (96, 64)
    assert difference(decoded.image, landscape) < 4


@pytest.mark.parametrize("orientation", [1, 6])
def test_scaled_jpeg_is_upright_and_keeps_the_size_of_the_original(
    landscape, encode, orientation
) -> None:
    large = landscape.resize((1920, 1280), Image.Resampling.NEAREST)
    stored = large.transpose(STORED[6]) if orientation == 6 else large
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    decoded = decode(encode(stored, "JPEG", exif=exif), ImageLimits(min_side=224))
    assert (decoded.width, decoded.height) == (1920, 1280)
    assert decoded.image.size == (480, 320)
    assert difference(decoded.image.resize((96, 64)), landscape) < 6


@pytest.mark.parametrize("size", [(224, 224), (447, 900), (448, 448), (449, 600), (1793, 1792)])
def test_scaled_jpeg_still_covers_the_model_input(encode, size) -> None:
    data = encode(Image.new("RGB", size), "JPEG")
    shorter = min(decode(data, ImageLimits(min_side=224)).image.size)
    assert 224 <= shorter < 448


def test_small_jpeg_is_not_scaled(encode) -> None:
    data = encode(Image.new("RGB", (40, 30)), "JPEG")
    assert decode(data, ImageLimits(min_side=224)).image.size == (40, 30)


def test_exif_orientation_of_a_jpeg_xl_is_not_applied_again(landscape, encode) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    # A JPEG XL's own pixels are upright already: the EXIF tag is what the camera wrote.
    decoded = decode(encode(landscape, "JXL", exif=exif.tobytes(), lossless=True))
    assert difference(decoded.image, landscape) == 0


@pytest.mark.parametrize(
    "image_format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "JPEG2000", "AVIF", "HEIF", "JXL"]
)
def test_every_format_decodes_to_the_same_picture(landscape, encode, image_format) -> None:
    decoded = decode(encode(landscape, image_format))
    assert decoded.format == image_format
    assert decoded.image.mode == "RGB"
    assert difference(decoded.image, landscape) < 4


@pytest.mark.parametrize("share", [0.3, 0.5, 0.95])
@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("WEBP", {}),
        ("GIF", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("PPM", {}),
        ("QOI", {}),
        ("JPEG2000", {}),
        ("AVIF", {}),
        ("HEIF", {}),
        ("JXL", {}),
    ],
)
def test_cut_off_file_is_refused_and_never_half_decoded(
    noise, encode, image_format, options, share
) -> None:
    data = encode(noise, image_format, **options)
    cut = data[: int(len(data) * share)]
    assert reason_of(cut) in {"truncated", "decoder_error"}
    assert reason_of(cut, ImageLimits(min_side=32)) in {"truncated", "decoder_error"}


def test_empty_file_is_refused() -> None:
    assert reason_of(b"") == "empty"


def test_text_is_refused_as_no_image() -> None:
    assert reason_of(b"hello, this is no picture") == "unidentified_format"


def test_postscript_is_refused_without_calling_another_program(noise, encode) -> None:
    assert reason_of(encode(noise, "EPS")) == "unsupported_format"


def test_small_file_of_many_pixels_is_refused_with_the_limit(encode) -> None:
    bomb = encode(Image.new("1", (12_000, 12_000)), "PNG")
    assert len(bomb) < 50_000
    with pytest.raises(Refused, match=r"144000000 pixels.* limit of 89500000 pixels") as caught:
        decode(bomb)
    assert caught.value.reason == "too_many_pixels"


def test_pixel_limit_can_be_raised_and_lowered(encode) -> None:
    data = encode(Image.new("L", (1000, 1000)), "PNG")
    assert reason_of(data, ImageLimits(max_megapixels=0.9)) == "too_many_pixels"
    assert decode(data, ImageLimits(max_megapixels=1.0)).width == 1000


def test_pixel_limit_holds_before_a_jpeg_xl_is_decoded(noise, encode) -> None:
    cut = encode(noise, "JXL")[:64]
    assert reason_of(cut, ImageLimits(max_megapixels=0.01)) == "too_many_pixels"


def test_first_frame_of_an_animation_is_taken(landscape, encode) -> None:
    others = [Image.new("RGB", landscape.size, "black")] * 3
    for image_format in ("GIF", "WEBP", "PNG", "AVIF"):
        data = encode(landscape, image_format, save_all=True, append_images=others)
        assert difference(decode(data).image, landscape) < 4, image_format


def test_many_threads_decode_alike(noise, encode) -> None:
    files = [encode(noise, name) for name in ("JPEG", "PNG", "HEIF", "AVIF", "JXL", "WEBP")]
    alone = [decode(data).image.tobytes() for data in files]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: decode(data).image.tobytes(), files * 5))
    assert together == alone * 5


def test_damaged_exif_does_not_cost_the_picture(landscape, encode) -> None:
    data = encode(landscape, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x00")
    assert decode(data).image.size == (96, 64)


def test_decoded_image_does_not_hold_the_file(landscape, encode) -> None:
    decoded = decode(encode(landscape, "PNG"))
    assert not isinstance(decoded.image, type(Image.open(io.BytesIO(encode(landscape, "PNG")))))


def test_valid_kinds_that_nothing_here_reads_are_unsupported_and_not_damaged() -> None:
    two_bits = b"BM" + struct.pack(
        "<IHHIIiiHHIIiiII", 70, 0, 0, 54, 40, 2, 2, 1, 2, 0, 8, 1, 1, 4, 4
    )
    assert reason_of(two_bits + bytes(24)) == "unsupported_format"
    stream = io.BytesIO()
    Image.new("L", (4, 4)).save(stream, "TIFF")
    eight_bits = b"\x02\x01\x03\x00\x01\x00\x00\x00\x08\x00"
    assert eight_bits in stream.getvalue()
    seven_bits = stream.getvalue().replace(eight_bits, eight_bits[:-2] + b"\x07\x00")
    assert reason_of(seven_bits) == "unsupported_format"
