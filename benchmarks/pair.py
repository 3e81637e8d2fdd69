"""Measure how many photos `crossmodal pair` matches with their own captions.

One caption a photo, the first, is written as a text file of the photo's number, so that names tell
nothing; a pair is right where both are of one photo. Compared are one to one and one to many, and
the strengths that the pairs are given. Interval: 95 %, Wilson.

    python -m benchmarks.pair ../shared/data FOLDER      # files and collection are made in FOLDER
"""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from scipy.stats import binomtest

from crossmodal.creation.pairing import How, Pairing, pair


def main() -> None:
    """Make what is paired, pair it, and print the figures as JSON."""
    data, folder = (Path(argument).absolute() for argument in sys.argv[1:3])
    photos, texts = folder / "photos", folder / "captions"
    if not photos.is_dir():
        write(data, photos, texts)
    collection = str(folder / "pair.duckdb")
    crossmodal = str(Path(sys.executable).with_name("crossmodal"))
    subprocess.run([crossmodal, "index", str(photos), str(texts), "-c", collection], check=True)
    hows: tuple[How, ...] = ("one-to-one", "one-to-many")
    print(json.dumps({how: figures(collection, photos, texts, how) for how in hows}, indent=2))


def write(data: Path, photos: Path, texts: Path) -> None:
    """Copy the photos and write their first captions, both by number."""
    photos.mkdir(parents=True)
    texts.mkdir()
    with (data / "captions/captions.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["path"].startswith("captions/flickr8k/")]
    first = {row["path"]: row["caption"] for row in reversed(rows)}
    for number, (path, caption) in enumerate(sorted(first.items())):
        shutil.copy(data / path, photos / f"p{number:04}.jpg")
        # Another order, so that a tie does not fall on the right one.
        (texts / f"c{(number * 7919) % 100_003:06}-{number:04}.txt").write_text(caption, "utf-8")


def figures(collection: str, photos: Path, texts: Path, how: How) -> dict[str, object]:
    """Return the share of right pairs, by strength too, and the time."""
    started = time.perf_counter()
    found = pair(collection, str(photos), str(texts), how)
    took_s = time.perf_counter() - started
    right = [number(each.one) == number(each.other) for each in found.pairs]
    return {
        "pairs": len(found.pairs),
        **share(right),
        "by_strength": by_strength(found, right),
        "seconds": round(took_s, 1),
    }


def by_strength(found: Pairing, right: Sequence[bool]) -> dict[str, object]:
    """Return for each word the share of right pairs."""
    words = [each.word for each in found.pairs]
    return {
        word: {"pairs": num} | share([r for w, r in zip(words, right, strict=True) if w == word])
        for word, num in Counter(words).items()
    }


def share(right: Sequence[bool]) -> dict[str, object]:
    """Return the share with its interval."""
    interval = binomtest(sum(right), max(len(right), 1)).proportion_ci(method="wilson")
    return {
        "right": round(sum(right) / max(len(right), 1), 3),
        "interval": [round(interval.low, 3), round(interval.high, 3)],
    }


def number(uri: str) -> str:
    """Return the photo's number, with which both names end."""
    return Path(uri).stem[-4:]


if __name__ == "__main__":
    main()
