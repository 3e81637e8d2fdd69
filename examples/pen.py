"""Draw shapes and backgrounds in coordinates of one's own, for the demo's pictures.

Owns placing and scaling; refuses to know what the picture is of.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from PIL import ImageDraw

Point = tuple[float, float]


class Pen:
    """Draw shapes in the coordinates of a small sheet that lies somewhere on the picture."""

    def __init__(self, draw: ImageDraw.ImageDraw, origin: Point, scale: float) -> None:
        self._draw = draw
        self._origin = origin
        self._scale = scale

    def at(self, x: float, y: float, scale: float = 1.0) -> Pen:
        """Return a pen whose (0, 0) is this pen's (x, y)."""
        return Pen(self._draw, self._place((x, y)), self._scale * scale)

    def ellipse(self, centre: Point, radii: Point, fill: str) -> None:
        """Fill an ellipse."""
        (x, y), (rx, ry) = centre, radii
        self._draw.ellipse([self._place((x - rx, y - ry)), self._place((x + rx, y + ry))], fill)

    def disc(self, centre: Point, radius: float, fill: str) -> None:
        """Fill a circle."""
        self.ellipse(centre, (radius, radius), fill)

    def box(self, corner: Point, size: Point, fill: str) -> None:
        """Fill a rectangle from its upper left corner."""
        (x, y), (width, height) = corner, size
        self._draw.rectangle([self._place(corner), self._place((x + width, y + height))], fill)

    def polygon(self, points: Sequence[Point], fill: str) -> None:
        """Fill a polygon."""
        self._draw.polygon([self._place(point) for point in points], fill)

    def line(self, points: Sequence[Point], width: float, fill: str) -> None:
        """Stroke a line with rounded corners."""
        placed = [self._place(point) for point in points]
        self._draw.line(placed, fill, round(width * self._scale), joint="curve")

    def fade(self, top: float, bottom: float, colours: tuple[str, str]) -> None:
        """Fill the width from 0 to 100 between two heights with a vertical gradient."""
        first, last = (rgb(colour) for colour in colours)
        left, start = map(round, self._place((0, top)))
        right, stop = map(round, self._place((100, bottom)))
        for y in range(start, stop):
            part = (y - start) / (stop - start)
            mixed = tuple(round(a + (b - a) * part) for a, b in zip(first, last, strict=True))
            self._draw.line([(left, y), (right, y)], mixed)

    def _place(self, point: Point) -> Point:
        return (
            self._origin[0] + point[0] * self._scale,
            self._origin[1] + point[1] * self._scale,
        )


def rgb(colour: str) -> tuple[int, int, int]:
    """Return the parts of ``#rrggbb``."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return red, green, blue


def day(pen: Pen, rng: random.Random, horizon: float = 45) -> None:
    """Draw a blue sky with clouds down to the horizon."""
    pen.fade(0, horizon, ("#3f8fe0", "#bfe0fa"))
    for _ in range(rng.randint(1, 3)):
        cloud = pen.at(rng.uniform(5, 80), rng.uniform(5, 18), rng.uniform(0.7, 1.2))
        for x, radius in ((0, 3.0), (4, 4.5), (9, 4.0), (13, 2.6)):
            cloud.disc((x, 0), radius, "#ffffff")


def meadow(pen: Pen, rng: random.Random, horizon: float = 45) -> None:
    """Draw grass under a blue sky."""
    day(pen, rng, horizon)
    pen.fade(horizon, 75, ("#7cc158", "#3c8a2e"))
    for _ in range(120):
        x, y = rng.uniform(0, 100), rng.uniform(horizon + 3, 75)
        pen.line([(x, y), (x + rng.uniform(-0.8, 0.8), y - 2.2)], 0.35, "#2f7526")


def water(pen: Pen, rng: random.Random, top: float, colours: tuple[str, str]) -> None:
    """Draw water from ``top`` to the lower edge."""
    pen.fade(top, 75, colours)
    for _ in range(40):
        x, y = rng.uniform(-5, 100), rng.uniform(top + 1, 75)
        pen.line([(x, y), (x + rng.uniform(3, 8), y)], 0.3, colours[0])


def road(pen: Pen, rng: random.Random) -> None:
    """Draw a road across the country under a blue sky."""
    day(pen, rng, 40)
    pen.fade(40, 50, ("#a8c686", "#86ac66"))
    pen.fade(50, 75, ("#77777c", "#4c4c50"))
    for x in range(2, 100, 16):
        pen.box((x, 69), (9, 1), "#f4f4f4")
