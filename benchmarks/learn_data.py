"""Make the pairs of the learning benchmark out of the labels of the cars, in folds.

A car is called by its colour, make and body ("a red Audi sedan"). Photos that share such a caption
stay together, so that what is measured has captions, and photos, that were not learned; every car
is measured once.
"""

from __future__ import annotations

import csv
import json
import random
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

_UNSURE = {"", "unsure", "two-tone"}

Row = dict[str, str]


class Fold(NamedTuple):
    """Name the tables of a fold."""

    learn: Path
    """Three captions a photo."""
    measure: Path
    """One caption a photo."""
    cars: list[Row]
    """That are measured."""


def write_folds(
    labels: Path, folder: Path, num: int, seed: int = 0, *, sports: bool = False
) -> list[Fold]:
    """Write ``num`` folds of the cars; their pictures are named in full.

    With ``sports`` a fourth caption of a sports car says that it is one.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in csv.DictReader(labels.open(encoding="utf-8")):
        if row["color"] not in _UNSURE:
            groups[short(row)].append(row)
    names = sorted(groups)
    random.Random(seed).shuffle(names)
    # The largest first, each to the smallest fold, so that folds are of one size.
    names.sort(key=lambda name: -len(groups[name]))
    folds: list[list[Row]] = [[] for _ in range(num)]
    for name in names:
        min(folds, key=len).extend(groups[name])
    root = labels.parent.parent
    return [_fold(folds, number, root, folder, sports=sports) for number in range(num)]


def _fold(folds: list[list[Row]], number: int, root: Path, folder: Path, *, sports: bool) -> Fold:
    measured = folds[number]
    learned = [row for other, rows in enumerate(folds) if other != number for row in rows]
    train = [(row, text) for row in learned for text in captions(row, sports=sports)]
    test = [(row, short(row)) for row in measured]
    return Fold(
        _written(train, root, folder / f"cars-learn-{number}.csv"),
        _written(test, root, folder / f"cars-measure-{number}.csv"),
        measured,
    )


def write_keep(train: Path, folder: Path, num: int, each: int, seed: int = 0) -> Path:
    """Write ``each`` captions of ``num`` photos of ``train`` that are to be found as before."""
    photos = [json.loads(line) for line in (train / "captions.jsonl").open(encoding="utf-8")]
    drawn = random.Random(seed).sample(photos, num)
    rows = [(photo, text) for photo in drawn for text in photo["captions"][:each]]
    return _written(rows, train, folder / "keep.csv")


def short(row: Row) -> str:
    """Return what a car is called for short: "a red Audi sedan"."""
    body = (row["body"] or "car").lower()
    colour = row["color"]
    return f"{'an' if colour[0] in 'aeiou' else 'a'} {colour} {row['make']} {body}"


def captions(row: Row, *, sports: bool) -> list[str]:
    """Return three ways to call a car, and where it is asked for a fourth for a sports car."""
    return [
        short(row),
        f"a photo of {short(row)}",
        f"{row['color']} {row['label']}",
        *([f"{short(row)}, a sports car"] if sports and row["sports_car"] == "yes" else []),
    ]


def _written(rows: list[tuple[Row, str]], root: Path, path: Path) -> Path:
    with path.open("w", newline="", encoding="utf-8") as table:
        writer = csv.writer(table)
        writer.writerow(("path", "caption"))
        writer.writerows((str((root / row["path"]).absolute()), text) for row, text in rows)
    return path
