"""Measure what folding near-duplicates into one hit does to the first ten.

    python -m benchmarks.fold CAPTIONS.csv [--num 200] [--model DIR]

CAPTIONS.csv has ``path`` and ``caption``. Of each photo a smaller, harder compressed copy is made;
both are indexed through ``crossmodal index``, and one caption a photo asks the product's own
search, with folding (as it is) and without. A copy below its photo, or the other way round, is a
place lost; a photo that is folded into another one is a mistake.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from benchmarks.quality import index, rows_of
from crossmodal.ledger.collection import Collection
from crossmodal.records import Hit
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService

_K = 10
_SHRUNK = 0.7
_QUALITY = 60


def main() -> None:
    """Make the pictures, index, ask and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("captions", type=Path)
    parser.add_argument("--root", type=Path, help="where the paths begin; beside the table if not")
    parser.add_argument("--num", type=int, default=200, help="photos")
    parser.add_argument("--model", default="", help="the built-in one if empty")
    options = parser.parse_args()
    root = options.root or options.captions.parent
    captions: dict[str, str] = {}
    for row in rows_of(options.captions):
        captions.setdefault(row["path"], row["caption"])
    chosen = dict(list(captions.items())[: options.num])
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for number, path in enumerate(chosen):
            _put(root / path, work / "pictures", number)
        models = ["--model", options.model] if options.model else []
        index([str(work / "pictures")], work / "c.duckdb", *models)
        print(
            "| near-duplicates | places lost among the first 10 | right photo among the first 10 "
            "| folded by mistake |\n| --- | ---: | ---: | ---: |"
        )
        for name, group in (("as hits of their own", False), ("**folded**", True)):
            pages = _ask(work / "c.duckdb", list(chosen.values()), group=group)
            print(
                f"| {name} | {_lost(pages)} of {sum(map(len, pages))} | {_right(pages):.3f} "
                f"| {_mistakes(pages) if group else ''} |"
            )


def _put(source: Path, folder: Path, number: int) -> None:
    """Write a photo and its copy."""
    folder.mkdir(exist_ok=True)
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    picture.save(folder / f"{number}-own.png")
    width, height = (max(1, round(side * _SHRUNK)) for side in picture.size)
    picture.resize((width, height)).save(folder / f"{number}-copy.jpg", quality=_QUALITY)


def _ask(collection: Path, texts: Sequence[str], *, group: bool) -> list[list[Hit]]:
    options = QueryOptions(collection=str(collection), k=_K, group=group)
    answers = SearchService(Collection(collection)).ask_many(
        [Query(text=t) for t in texts], options
    )
    return [answer.hits for answer in answers]


def _photo(uri: str) -> int:
    return int(Path(uri).name.partition("-")[0])


def _lost(pages: Sequence[Sequence[Hit]]) -> int:
    return sum(len(page) - len({_photo(hit.uri) for hit in page}) for page in pages)


def _right(pages: Sequence[Sequence[Hit]]) -> float:
    found = [any(_photo(hit.uri) == n for hit in page) for n, page in enumerate(pages)]
    return sum(found) / len(found)


def _mistakes(pages: Sequence[Sequence[Hit]]) -> int:
    """Return how many pictures were folded into one of another photo."""
    folded = [(hit, other) for page in pages for hit in page for other in hit.alike]
    return sum(_photo(hit.uri) != _photo(other) for hit, other in folded)


if __name__ == "__main__":
    main()
