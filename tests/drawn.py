"""Draw small test pictures: deterministic, all different, in several formats."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

_SUFFIXES = ("jpg", "png", "webp", "gif", "bmp", "tiff")
_SIZES = ((96, 64), (64, 96), (80, 80))


def draw_pictures(dest: Path, count: int, prefix: str = "picture") -> list[Path]:
    """Write ``count`` pictures into a folder, made where missing; return their paths in order."""
    dest.mkdir(parents=True, exist_ok=True)
    paths = [
        dest / f"{prefix}_{number:04}.{_SUFFIXES[number % len(_SUFFIXES)]}"
        for number in range(count)
    ]
    for number, path in enumerate(paths):
        draw_picture(number).save(path)
    return paths


def draw_picture(number: int) -> Image.Image:
    """Return the picture of that number: a disc and a bar on a background, RGB."""
    width, height = _SIZES[number % len(_SIZES)]
    image = Image.new("RGB", (width, height), _colour(number))
    pen = ImageDraw.Draw(image)
    left, top = number * 7 % (width // 2), number * 11 % (height // 2)
    pen.ellipse((left, top, left + 30, top + 30), fill=_colour(number + 101))
    pen.rectangle((0, height - 12, 4 + number % (width - 4), height), fill=_colour(number + 53))
    return image


def _colour(number: int) -> tuple[int, int, int]:
    """Spread numbers over the colour cube; neighbours differ a lot."""
    return (number * 97 + 31) % 256, (number * 57 + 91) % 256, (number * 13 + 200) % 256
