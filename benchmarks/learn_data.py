"""Make the pairs of the learning benchmark out of the labels of the cars.

A car is called by its colour, make and body ("a red Audi sedan"). Photos that share such a caption
stay together, so that the half that is measured has captions, and photos, that were not learned.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from pathlib import Path

_UNSURE = {"", "unsure", "two-tone"}

Row = dict[str, str]


def write_pairs(labels: Path, folder: Path, seed: int) -> tuple[Path, Path]:
    """Write the half to learn from, with three captions a photo, and the half to measure, with one.

    Returns the paths of both tables; their pictures are named in full.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in csv.DictReader(labels.open(encoding="utf-8")):
        if row["color"] not in _UNSURE:
            groups[short(row)].append(row)
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    num = sum(map(len, groups.values()))
    learned: list[Row] = []
    while len(learned) < num / 2:
        learned += groups[names.pop()]
    measured = [row for name in names for row in groups[name]]
    root = labels.parent.parent
    train = [(row, text) for row in learned for text in captions(row)]
    test = [(row, short(row)) for row in measured]
    return (
        _written(train, root, folder / f"cars-learn-{seed}.csv"),
        _written(test, root, folder / f"cars-measure-{seed}.csv"),
    )


def short(row: Row) -> str:
    """Return what a car is called for short: "a red Audi sedan"."""
    body = (row["body"] or "car").lower()
    colour = row["color"]
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {row['make']} {body}"


def captions(row: Row) -> list[str]:
    """Return three ways to call a car."""
    return [
        short(row),
        f"a photo of {short(row)}",
        f"{row['color']} {row['label']}",
    ]


def _written(rows: list[tuple[Row, str]], root: Path, path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(("path", "caption"))
        writer.writerows((str((root / row["path"]).absolute()), text) for row, text in rows)
    return path
