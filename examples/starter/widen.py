"""Widen the vocabulary of a text tower with labels of pictures, without losing its captions.

    python -m examples.starter.widen VISION TOWER DATA OUT

VISION: the quantised image tower (vision.npz), which stays as it is: the text tower learns where
*its* pictures lie. TOWER: a folder with model.safetensors, config.json and tokenizer. DATA: a
folder with classify/, cars/, emoji/ and train/ (labels and captions). OUT: where collection, tables
and the widened model are written.

It is `crossmodal finetune` at depth `text`: labels in several templates are the pairs, captioned
photos are what is kept. Half of the way to what was learned is taken: further on colours are known
on cars alone, which no held out label tells. labelled.py says which pictures are left to measure
on.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

from safetensors.torch import load_file, save_file

from examples.starter.folders import write_base
from examples.starter.labelled import captioned, training_pictures
from examples.starter.sources import Picture

SHARE = 0.5
"""Of the way from the tower before labels to what was learned."""
WEIGHTS = "model.safetensors"
RECIPE = (
    *("--depth", "text", "--freeze-words", "--anchor", "40"),
    *("--epochs", "12", "--batch-size", "128", "--learning-rate", "0.0001", "--dev-share", "0.1"),
)


def widen(vision: Path, tower: Path, data: Path, out: Path) -> Path:
    """Return the folder, under ``out``, of the image-text model with the widened text tower."""
    widened, collection = out / "widened", out / "learn.duckdb"
    if (widened / WEIGHTS).exists():
        return widened
    write_base(vision, tower, out / "base")
    pairs = written(training_pictures(data), data, out / "pairs.csv")
    keep = written(captioned(data), data, out / "keep.csv")
    pictures = [data / p.path for p in (*training_pictures(data), *captioned(data))]
    crossmodal("index", *pictures, "-c", collection, "--model", out / "base")
    written_to = ("--keep", keep, "--name", "learned", "--out", out / "learned")
    told = crossmodal("finetune", pairs, "-c", collection, *RECIPE, *written_to, "--json")
    go(out / "base", out / "learned", SHARE / json.loads(told)["share"], widened)
    return widened


def go(base: Path, learned: Path, share: float, out: Path) -> None:
    """Write the model that lies a share of the way from a base to what was learned (WiSE-FT)."""
    shutil.copytree(learned, out, ignore=shutil.ignore_patterns(WEIGHTS), dirs_exist_ok=True)
    before, after = load_file(base / WEIGHTS), load_file(learned / WEIGHTS)
    taken = {
        name: (before[name].float().lerp(value.float(), share)).to(value.dtype)
        for name, value in after.items()
    }
    save_file(taken, out / WEIGHTS, metadata={"format": "pt"})


def written(pictures: list[Picture], data: Path, table: Path) -> Path:
    """Write a table of path and caption, a row for each text of each picture."""
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("path", "caption"))
        rows.writerows((data.absolute() / p.path, text) for p in pictures for text in p.texts)
    return table


def crossmodal(*words: object) -> str:
    """Run a command of crossmodal's, and return what it printed.

    Raises:
        CalledProcessError: it failed, and said why.
    """
    command = Path(sys.executable).with_name("crossmodal")
    return subprocess.run(
        [str(command), *map(str, words)], check=True, stdout=subprocess.PIPE, text=True
    ).stdout


def main() -> None:
    """Widen the tower that the command names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    for name in ("vision", "tower", "data", "out"):
        parser.add_argument(name, type=Path)
    args = parser.parse_args()
    widen(args.vision, args.tower, args.data, args.out)


if __name__ == "__main__":
    main()
