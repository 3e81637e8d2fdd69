"""Gather the pictures that the embedding benchmark runs over; make those that nobody gives."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp"}
_CAMERA_SIZE = (4000, 3000)
_NUM_CAMERA = 6


@dataclass(frozen=True, slots=True)
class PictureSet:
    """Hold pictures of one kind, and the captions of some of them."""

    name: str
    paths: list[str]
    captions: list[tuple[str, int]] = field(default_factory=list)
    """Text and the index of the picture that it tells of."""


def given(name: str, folder: Path, num_images: int, suffixes: set[str] | None = None) -> PictureSet:
    """Return the pictures of a folder, over and over until they are enough."""
    wanted = suffixes or _SUFFIXES
    files = sorted(str(f) for f in folder.iterdir() if f.suffix.lower() in wanted)
    return PictureSet(name, list(itertools.islice(itertools.cycle(files), num_images)))


def captioned(name: str, folder: Path, num_images: int) -> PictureSet:
    """Return the pictures of a folder with the captions that lie in captions.jsonl above it."""
    found = given(name, folder, min(num_images, len(list(folder.iterdir()))))
    rows = {Path(path).name: number for number, path in enumerate(found.paths)}
    captions = []
    for line in (folder.parent / "captions.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        place = Path(record["path"])
        if place.parent.name == folder.name and place.name in rows:
            captions += [(caption, rows[place.name]) for caption in record["captions"]]
    return PictureSet(name, found.paths, captions)


def made(folder: Path, num_images: int) -> PictureSet:
    """Draw pictures of a camera's size, with detail at every scale, as JPEG of some 5 MB."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / f"camera-{_NUM_CAMERA - 1}.jpg").is_file():
        pixels = camera_pixels()
        for number in range(_NUM_CAMERA):
            moved = np.roll(pixels, 577 * number, axis=(0, 1))
            Image.fromarray(moved).save(folder / f"camera-{number}.jpg", quality=90)
    return given("generated 12 MP", folder, num_images)


def camera_pixels() -> npt.NDArray[np.uint8]:
    """Return (3000, 4000, 3) pixels with detail at every scale."""
    rng = np.random.default_rng(7)
    width, height = _CAMERA_SIZE
    total = np.full((height, width, 3), 127.5, np.float32)
    for octave in range(2, 12):
        side = 1 << octave
        noise = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8))
        layer = np.asarray(noise.resize(_CAMERA_SIZE, Image.Resampling.BILINEAR), np.float32)
        total += (layer - 127.5) * (1.4 / 1.35**octave)
    pixels: npt.NDArray[np.uint8] = np.clip(total, 0, 255).astype(np.uint8)
    return pixels
