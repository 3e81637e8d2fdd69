"""Draw simple pictures that an image-text model can tell apart, for a demo without photos.

Owns what is on them; the same call always draws the same pixels. Every number in a scene is a
coordinate on a sheet 100 wide and 75 high, or on a subject's own sheet laid upon it (``Pen.at``).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw

from examples.pen import Pen, day, meadow, rgb, road, water

_SIZE = (640, 480)
_OVERSAMPLING = 2
_SUFFIXES = ("jpg", "png", "webp", "jpg", "tiff", "jpg", "gif", "bmp")

Scene = Callable[[Pen, random.Random, str], None]


def draw(dest: Path) -> list[Path]:
    """Write sixty pictures of several formats into a new folder, which appears once it is whole."""
    part = dest.with_name(f"{dest.name}.part")
    part.mkdir(parents=True, exist_ok=True)
    names = []
    for number, (subject, look) in enumerate(_looks()):
        name = f"{subject}-{look}.{_SUFFIXES[number % len(_SUFFIXES)]}"
        _picture(subject, look).save(part / name, quality=90)
        names.append(name)
    part.replace(dest)
    return [dest / name for name in names]


def _looks() -> list[tuple[str, str]]:
    return [(subject, look) for subject, (_, looks) in _SUBJECTS.items() for look in looks.split()]


def _picture(subject: str, look: str) -> Image.Image:
    scene = _SUBJECTS[subject][0]
    image = Image.new("RGB", (_SIZE[0] * _OVERSAMPLING, _SIZE[1] * _OVERSAMPLING))
    pen = Pen(ImageDraw.Draw(image), (0, 0), image.width / 100)
    scene(pen, random.Random(f"{subject} {look}"), _COLOURS[look])
    return image.reduce(_OVERSAMPLING)


def _car(pen: Pen, rng: random.Random, paint: str) -> None:
    road(pen, rng)
    car = pen.at(rng.uniform(4, 10), 28, 0.86)
    car.ellipse((50, 37.5), (50, 3), "#333336")
    car.polygon([(30, 17), (46, 6), (62, 6), (88, 17)], paint)
    car.polygon([(35, 16.5), (47, 8), (55, 8), (55, 16.5)], "#2c3a46")
    car.polygon([(57, 16.5), (57, 8), (61.5, 8), (74, 16.5)], "#2c3a46")
    body = [(1, 33), (0, 27), (6, 22), (32, 16), (88, 15), (97, 17), (100, 24), (99, 33)]
    car.polygon(body, paint)
    car.polygon([(87, 11), (101, 9), (101, 11), (88, 12.5)], paint)
    car.polygon([(92, 11), (95, 11), (94, 17), (90, 17)], paint)
    car.polygon([(5, 23.5), (15, 20.5), (13, 24)], "#fff3b0")
    car.box((97, 20), (3, 2.5), "#7a0010")
    car.line([(34, 18), (36, 29), (64, 29), (66, 17)], 0.4, "#1c1c1e")
    car.polygon([(66, 20), (74, 20), (68, 25)], "#1c1c1e")
    _wheels(car, (20, 79))


def _van(pen: Pen, rng: random.Random, paint: str) -> None:
    road(pen, rng)
    van = pen.at(rng.uniform(10, 18), 28, 0.86)
    van.ellipse((42, 37.5), (44, 3), "#333336")
    van.polygon([(0, 33), (0, 12), (12, -12), (16, -14), (82, -14), (84, -11), (84, 33)], paint)
    van.polygon([(4, 10), (13, -9), (24, -9), (24, 10)], "#cfe6f2")
    for x in (29, 48, 66):
        van.box((x, -9), (14, 15), "#cfe6f2")
    van.box((0, 16), (84, 3), "#f4f4f0")
    van.disc((4, 25), 2.4, "#fff3b0")
    van.box((82, 18), (2, 6), "#7a0010")
    _wheels(van, (18, 66))


def _wheels(pen: Pen, places: tuple[float, float]) -> None:
    for x in places:
        pen.disc((x, 32), 8, "#18181a")
        pen.disc((x, 32), 4.6, "#c9c9ce")
        pen.disc((x, 32), 1.4, "#55555a")


def _house(pen: Pen, rng: random.Random, wall: str) -> None:
    meadow(pen, rng, 52)
    house = pen.at(rng.uniform(22, 36), 20, rng.uniform(0.9, 1.05))
    house.box((30, -2), (5, 12), "#7a4a3a")
    house.box((0, 16), (42, 26), wall)
    house.polygon([(-5, 17), (21, -6), (47, 17)], rng.choice(["#9c3b2c", "#5a4a48", "#b5542f"]))
    house.box((17, 25), (8, 17), "#5b3a1e")
    house.disc((23.4, 34), 0.6, "#e8c860")
    for x in (5, 29):
        house.box((x, 22), (8, 8), "#ffffff")
        house.box((x + 0.8, 22.8), (6.4, 6.4), "#9fd0ee")
        house.line([(x + 4, 22), (x + 4, 30)], 0.6, "#ffffff")
        house.line([(x, 26), (x + 8, 26)], 0.6, "#ffffff")
    house.polygon([(17, 42), (25, 42), (31, 60), (13, 60)], "#cdb892")


def _tree(pen: Pen, rng: random.Random, leaf: str) -> None:
    meadow(pen, rng, 55)
    tree = pen.at(rng.uniform(38, 60), 64, rng.uniform(0.9, 1.1))
    tree.polygon([(-3.5, 0), (-2, -28), (2, -28), (3.5, 0)], "#6b4525")
    tree.line([(0, -20), (-9, -32)], 1.6, "#6b4525")
    tree.line([(0, -22), (9, -33)], 1.6, "#6b4525")
    red, green, blue = rgb(leaf)
    for _ in range(90):
        angle, reach = rng.uniform(0, 2 * math.pi), math.sqrt(rng.random())
        light = rng.uniform(0.8, 1.15)
        shade = "#" + "".join(f"{min(255, round(c * light)):02x}" for c in (red, green, blue))
        centre = (math.cos(angle) * reach * 17, -38 + math.sin(angle) * reach * 13)
        tree.disc(centre, rng.uniform(3, 5), shade)


def _sunset(pen: Pen, rng: random.Random, sky: str) -> None:
    pen.fade(0, 48, (sky, "#ffb04a"))
    x = rng.uniform(30, 70)
    pen.disc((x, 44), 11, "#ffd75e")
    pen.disc((x, 44), 9, "#fff0a8")
    water(pen, rng, 48, ("#d9743a", "#3a2a55"))
    for step in range(12):
        half = 8 - step * 0.45 + rng.uniform(-1.5, 1.5)
        pen.line([(x - half, 49.5 + step * 2), (x + half, 49.5 + step * 2)], 0.7, "#ffe08a")
    for _ in range(4):
        bird = pen.at(rng.uniform(8, 90), rng.uniform(8, 28), rng.uniform(0.6, 1))
        bird.line([(-3, -1.4), (0, 0), (3, -1.4)], 0.5, "#2a1a2a")


def _face(pen: Pen, rng: random.Random, hair: str) -> None:
    pen.fade(0, 75, (rng.choice(["#d8e6ee", "#e9dfd0", "#dcd6ea"]), "#b9c3cc"))
    pen.ellipse((50, 82), (30, 20), rng.choice(["#2f5d8a", "#8a2f3f", "#3f6b4a"]))
    skin = rng.choice(["#f1c9a5", "#d9a074", "#8d5a3a", "#ffdbac"])
    pen.box((43, 54), (14, 12), skin)
    pen.ellipse((50, 33), (21, 24), hair)
    pen.ellipse((50, 39), (17, 21), skin)
    pen.polygon([(33, 30), (36, 18), (50, 13), (64, 18), (67, 30), (52, 24)], hair)
    for x in (43, 57):
        pen.ellipse((x, 37), (3.4, 2.2), "#ffffff")
        pen.disc((x, 37), 1.6, "#3b2a20")
        pen.line([(x - 4, 32.5), (x, 31.3), (x + 4, 32.5)], 0.9, hair)
    pen.line([(50, 38), (48, 46), (51.5, 46.5)], 0.7, "#7a4a32")
    pen.ellipse((50, 51), (6.5, 4.2), "#b33a3a")
    pen.box((43, 46.5), (14, 4.4), skin)
    pen.line([(43.5, 51), (56.5, 51)], 0.9, "#ffffff")


def _boat(pen: Pen, rng: random.Random, sail: str) -> None:
    day(pen, rng, 42)
    water(pen, rng, 42, ("#4f9fd0", "#1a4f86"))
    boat = pen.at(rng.uniform(40, 58), 56, rng.uniform(0.85, 1.1))
    boat.box((-0.5, -42), (1, 42), "#5a3d22")
    boat.polygon([(1.5, -40), (1.5, -5), (21, -5)], sail)
    boat.polygon([(-1.5, -36), (-1.5, -5), (-15, -5)], "#f5f2e8")
    boat.polygon([(-22, -2), (24, -2), (17, 7), (-16, 7)], "#8a4b2a")
    boat.polygon([(-22, -2), (24, -2), (23, 0), (-20.5, 0)], "#e8e0d0")
    water(pen, rng, 63, ("#2f78ae", "#1a4f86"))


def _cat(pen: Pen, rng: random.Random, fur: str) -> None:
    meadow(pen, rng, 30)
    cat = pen.at(rng.uniform(42, 54), 24, rng.uniform(0.92, 1.05))
    cat.line([(13, 40), (24, 36), (26, 24), (22, 18)], 3.4, fur)
    cat.ellipse((0, 31), (15, 17), fur)
    for x in (-6, 6):
        cat.ellipse((x, 44), (4.5, 4), fur)
        cat.polygon([(x * 1.9, -2), (x * 2.1, -14), (x * 0.5, -7)], fur)
        cat.polygon([(x * 1.75, -4), (x * 1.9, -11), (x * 0.8, -7)], "#e8a0a0")
    cat.ellipse((0, 4), (13, 11.5), fur)
    for x in (-5, 5):
        cat.ellipse((x, 2), (2.6, 3), "#c8e05a")
        cat.ellipse((x, 2), (0.8, 2.7), "#111111")
        for rise in (-1.5, 0.5, 2.5):
            cat.line([(x * 0.8, 8), (x * 3.4, 7 + rise)], 0.3, "#f2f2f2")
    cat.polygon([(-1.6, 6), (1.6, 6), (0, 8)], "#d86a7a")
    cat.line([(-4, 9.5), (-2, 11), (0, 8.5), (2, 11), (4, 9.5)], 0.5, "#301818")


def _sheep(pen: Pen, rng: random.Random, face: str) -> None:
    meadow(pen, rng, 34)
    for x, y, scale in ((16, 40, 0.45), (78, 42, 0.5), (rng.uniform(38, 50), 48, 1.05)):
        sheep = pen.at(x, y, scale)
        for leg in (-11, -5, 6, 12):
            sheep.box((leg, 6), (2.2, 13), face)
        for step in range(14):
            angle = step / 14 * 2 * math.pi
            sheep.disc((math.cos(angle) * 13, math.sin(angle) * 7), 5, "#f4f0e6")
        sheep.ellipse((0, 0), (14, 9), "#fbf8f0")
        sheep.ellipse((-19, -4), (5, 6.4), face)
        sheep.ellipse((-13.5, -7), (3.6, 1.7), face)
        sheep.ellipse((-24.5, -7), (3.6, 1.7), face)
        sheep.disc((-21, -5.5), 0.9, "#ffffff")
        sheep.disc((-17, -5.5), 0.9, "#ffffff")


def _flower(pen: Pen, rng: random.Random, petal: str) -> None:
    meadow(pen, rng, 28)
    for x, y, scale in ((18, 46, 0.45), (84, 44, 0.5), (rng.uniform(44, 56), 30, 1.1)):
        flower = pen.at(x, y, scale)
        flower.line([(0, 4), (1, 24), (-1, 60)], 1.6, "#2f7a2f")
        flower.ellipse((7, 30), (7, 2.6), "#3f9a3a")
        flower.ellipse((-8, 36), (7, 2.6), "#3f9a3a")
        for step in range(10):
            angle = step / 10 * 2 * math.pi
            flower.disc((math.cos(angle) * 11, math.sin(angle) * 11), 5, petal)
        flower.disc((0, 0), 7.5, "#f4b92a")
        flower.disc((0, 0), 4.5, "#a8641a")


def _mountain(pen: Pen, rng: random.Random, rock: str) -> None:
    day(pen, rng, 60)
    for x, top, half in ((18, 24, 30), (84, 22, 34), (rng.uniform(44, 56), 9, 40)):
        pen.polygon([(x - half, 62), (x, top), (x + half, 62)], rock)
        side, low = half * 0.3, top + (62 - top) * 0.3
        snow = [(x - side, low), (x, top), (x + side, low), (x + side * 0.4, low - 3)]
        pen.polygon([*snow, (x, low + 3), (x - side * 0.4, low - 3)], "#ffffff")
    pen.fade(60, 75, ("#4c7a4a", "#2d5a34"))
    for _ in range(26):
        x, y = rng.uniform(0, 100), rng.uniform(63, 74)
        pen.polygon([(x - 2, y), (x, y - 8), (x + 2, y)], "#1f4428")


def _fish(pen: Pen, rng: random.Random, scales: str) -> None:
    pen.fade(0, 75, ("#3fb0d8", "#0b3f70"))
    for _ in range(9):
        x, height = rng.uniform(0, 100), rng.uniform(8, 20)
        pen.line([(x, 75), (x + 2, 75 - height / 2), (x - 1, 75 - height)], 1.2, "#1f7a4a")
    for x, y, scale in ((20, 18, 0.4), (84, 60, 0.45), (rng.uniform(44, 54), 38, 1.2)):
        fish = pen.at(x, y, scale)
        fish.polygon([(12, 0), (27, -10), (23, 0), (27, 10)], scales)
        fish.polygon([(-5, -8), (6, -15), (10, -6)], scales)
        fish.ellipse((0, 0), (18, 10.5), scales)
        for stripe in (-4, 4):
            fish.line([(stripe, -9), (stripe + 2, 0), (stripe, 9)], 1.6, "#ffffff")
        fish.disc((-11, -2.5), 2.4, "#ffffff")
        fish.disc((-11.4, -2.5), 1.2, "#111111")
    for _ in range(14):
        pen.disc((rng.uniform(5, 95), rng.uniform(4, 60)), rng.uniform(0.4, 1.2), "#a8e0f2")


def _balloon(pen: Pen, rng: random.Random, cloth: str) -> None:
    meadow(pen, rng, 64)
    balloon = pen.at(rng.uniform(40, 60), rng.uniform(26, 30), rng.uniform(0.9, 1.1))
    balloon.polygon([(-13, 14), (13, 14), (4, 27), (-4, 27)], cloth)
    for index, width in enumerate((19, 13, 6)):
        balloon.ellipse((0, 0), (width, 20), "#f7e6b0" if index % 2 else cloth)
    for x in (-3.4, 3.4):
        balloon.line([(x, 27), (x * 0.8, 33)], 0.4, "#4a3520")
    balloon.box((-3.4, 32), (6.8, 5), "#8a5a2a")


_SUBJECTS: dict[str, tuple[Scene, str]] = {
    "car": (_car, "red yellow black"),
    "van": (_van, "blue green orange"),
    "house": (_house, "cream white rose yellow blue"),
    "tree": (_tree, "green lime orange red yellow"),
    "sunset": (_sunset, "violet wine navy red plum"),
    "face": (_face, "black brown blond auburn grey"),
    "boat": (_boat, "white red yellow blue orange"),
    "cat": (_cat, "orange black grey white brown"),
    "sheep": (_sheep, "black brown grey tan"),
    "flower": (_flower, "white rose violet orange pink"),
    "mountain": (_mountain, "grey brown slate tan stone"),
    "fish": (_fish, "orange yellow red violet teal"),
    "balloon": (_balloon, "red blue violet orange green"),
}
_COLOURS = {
    "auburn": "#a0401c",
    "black": "#232326",
    "blond": "#e0b85a",
    "blue": "#1f55d0",
    "brown": "#6f4a2c",
    "cream": "#f2e6c8",
    "green": "#2f8f3a",
    "grey": "#85858c",
    "lime": "#72b23a",
    "navy": "#2a3a7a",
    "orange": "#ec7a1e",
    "pink": "#f28ac0",
    "plum": "#3a1a4a",
    "red": "#d4161e",
    "rose": "#e0486a",
    "slate": "#5a6a80",
    "stone": "#4a5460",
    "tan": "#84705c",
    "teal": "#2f9a8a",
    "violet": "#7a3ab8",
    "white": "#f4f4f0",
    "wine": "#8a2a3a",
    "yellow": "#f0c420",
}
