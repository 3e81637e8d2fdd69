"""Widen the vocabulary of a text tower with labels of pictures, without losing its captions.

    python -m examples.starter.widen VISION TOWER DATA OUT

VISION: the quantised image tower (vision.npz), which stays as it is: the text tower learns where
*its* pictures lie. TOWER: a folder with model.safetensors, config.json and tokenizer. DATA: a
folder with classify/, cars/, emoji/ and train/ (labels and captions). OUT: where collection, tables
and the widened model are written.

It is `crossmodal finetune` at depth `text`: labels in several templates are the pairs, captioned
photos are what is kept. labelled.py says which pictures are left to measure on.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
from pathlib import Path

from examples.starter.folders import write_base
from examples.starter.labelled import captioned, training_pictures
from examples.starter.sources import Picture

RECIPE = (
    *("--depth", "text", "--freeze-words", "--anchor", "40"),
    *("--epochs", "12", "--batch-size", "128", "--learning-rate", "0.0001", "--dev-share", "0.1"),
)


def widen(vision: Path, tower: Path, data: Path, out: Path) -> Path:
    """Return the folder, under ``out``, of the image-text model with the widened text tower."""
    widened, collection = out / "widened", out / "learn.duckdb"
    if (widened / "model.safetensors").exists():
        return widened
    write_base(vision, tower, out / "base")
    pairs = written(training_pictures(data), data, out / "pairs.csv")
    keep = written(captioned(data), data, out / "keep.csv")
    pictures = [data / p.path for p in (*training_pictures(data), *captioned(data))]
    crossmodal("index", *pictures, "-c", collection, "--model", out / "base")
    learned = ("--keep", keep, "--name", "widened", "--out", widened)
    crossmodal("finetune", pairs, "-c", collection, *RECIPE, *learned)
    return widened


def written(pictures: list[Picture], data: Path, table: Path) -> Path:
    """Write a table of path and caption, a row for each text of each picture."""
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "caption"))
        rows.writerows((data.absolute() / p.path, text) for p in pictures for text in p.texts)
    return table


def crossmodal(*words: object) -> None:
    """Run a command of crossmodal's.

    Raises:
        CalledProcessError: it failed, and said why.
    """
    command = Path(sys.executable).with_name("crossmodal")
    subprocess.run([str(command), *map(str, words)], check=True)


def main() -> None:
    """Widen the tower that the command names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("vision", "tower", "data", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    widen(args.vision, args.tower, args.data, args.out)


if __name__ == "__main__":
    main()
