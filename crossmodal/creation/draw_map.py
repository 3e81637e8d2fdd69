"""Draw a map as PNG: a dot a chunk, its colour the cluster's, the cluster's name in its middle.

Owns the looks only. Names never cover each other: the larger cluster's stays, the other moves.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from crossmodal.errors import PathError

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

    from crossmodal.creation.mapping import CollectionMap

Floats = npt.NDArray[np.float32]
Box = tuple[float, float, float, float]

SIZE = (1600, 1200)
_MARGIN = 70
_SCALE = 2  # drawn twice as large and made smaller: Pillow draws dots without soft edges
_NAME_PX = 26
_PAPER, _INK, _HALO = "#ffffff", "#1c1c1e", "#ffffff"
_COLOURS = (
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#bb7733",
    "#7f7f7f",
    "#332288",
    "#e07b39",
    "#44aa99",
    "#999933",
    "#882255",
    "#117733",
    "#88aadd",
    "#cc6699",
)


def write_map_png(found: CollectionMap, out: Path) -> None:
    """Write the map as PNG in one step.

    Raises:
        PathError: the file cannot be written.
    """
    picture = draw_map(found)
    part = out.parent / f".{out.name}.{os.getpid()}.part"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        picture.save(part, "PNG")
        part.replace(out)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise PathError(f"cannot write the map to {out}: {error.strerror or error}") from error


def draw_map(found: CollectionMap) -> Image.Image:
    """Return the map as an RGB picture of ``SIZE``."""
    from PIL import Image, ImageDraw

    size = (SIZE[0] * _SCALE, SIZE[1] * _SCALE)
    sheet = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(sheet)
    places = _on_paper(found.points.places)
    radius = _SCALE * float(np.clip(90 / np.sqrt(max(len(places), 1)), 1.0, 5.0))
    for (x, y), cluster in zip(
        (places * _SCALE).tolist(), found.points.clusters.tolist(), strict=True
    ):
        spot = (x - radius, y - radius, x + radius, y + radius)
        pen.ellipse(spot, fill=_COLOURS[cluster % len(_COLOURS)])
    sheet = sheet.resize(SIZE, Image.Resampling.LANCZOS)
    _write_names(ImageDraw.Draw(sheet), found, places)
    return sheet


def _on_paper(places: Floats) -> Floats:
    """Return (n, 2) pixels: the middle 99.8 % of the points fill the sheet, the others its rim."""
    if not len(places):
        return places
    low, high = np.quantile(places, [0.001, 0.999], axis=0)
    shares = (places - low) / np.maximum(high - low, 1e-6)
    room = np.array(SIZE) - 2 * _MARGIN
    return np.asarray(_MARGIN + np.clip(shares, -0.02, 1.02) * room, np.float32)


def _write_names(pen: ImageDraw.ImageDraw, found: CollectionMap, places: Floats) -> None:
    from PIL import ImageFont

    font = ImageFont.load_default(_NAME_PX)
    counts = np.bincount(found.points.clusters, minlength=1)
    taken: list[Box] = []
    for number in np.argsort(-counts).tolist():
        if not counts[number]:
            continue
        middle = np.median(places[found.points.clusters == number], axis=0)
        name = found.names.get(number, "")
        box = _free_box(pen.textbbox((0, 0), name, font, stroke_width=3), middle, taken)
        taken.append(box)
        pen.text(box[:2], name, _INK, font, stroke_width=3, stroke_fill=_HALO)


def _free_box(text: Box, middle: Floats, taken: list[Box]) -> Box:
    """Return where a text fits about a point: there, or as little above or below as will do."""
    width, height = text[2] - text[0], text[3] - text[1]
    left = float(np.clip(middle[0] - width / 2, 4, SIZE[0] - width - 4))
    for step in range(60):
        shift = (step + 1) // 2 * (1 if step % 2 else -1) * height * 0.5
        top = float(np.clip(middle[1] - height / 2 + shift, 4, SIZE[1] - height - 12))
        box = (left, top, left + width, top + height * 1.3)
        if not any(_overlap(box, other) for other in taken):
            return box
    return box


def _overlap(one: Box, other: Box) -> bool:
    apart = one[2] < other[0] or other[2] < one[0] or one[3] < other[1] or other[3] < one[1]
    return not apart
