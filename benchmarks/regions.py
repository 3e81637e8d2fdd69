"""Measure what regions of pictures find, and what they cost where a caption tells of the whole.

Two sets of the same photos and captions, of which nothing was learned. Mosaics: four photos side by
side in one picture of 1,000 px, asked for by each caption of each of its parts. Photos: as they
are. Each set is indexed without regions and with them, and asked through the product's own
``evaluate``; differences are paired by question, drawn by picture.

    python -m benchmarks.regions MODEL DATA FOLDER OUT

FOLDER keeps pictures and collections, so that a second run embeds nothing.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from benchmarks.quality import CROSSMODAL
from crossmodal.evaluation.evaluate import EvaluateSpec
from crossmodal.evaluation.intervals import difference
from crossmodal.evaluation.judge import JudgeSpec, judge
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.evaluation_records import MEASURES, EvaluationRecord
from crossmodal.search.options import QueryOptions

SIDE = 500
IN_A_ROW = 2
PAIR = "text->image"
SHOWN = ("hit@1", "hit@10", "nDCG@10")
ASKED = {"mosaics": (0, 2), "photos": (0, 2)}
"""By set, the values of ``--regions``."""


class Given(NamedTuple):
    """Hold what every set is measured with."""

    model: str
    folder: Path


def captions_of(data: Path) -> dict[Path, list[str]]:
    """Return the captions of each photo of captions/flickr8k, in order."""
    told: dict[Path, list[str]] = {}
    with (data / "captions/captions.csv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            if row["path"].startswith("captions/flickr8k/"):
                told.setdefault(data / row["path"], []).append(row["caption"])
    return dict(sorted(told.items()))


def mosaics(told: dict[Path, list[str]], folder: Path) -> dict[Path, list[str]]:
    """Write pictures of four photos each, and return the captions of all four by picture."""
    folder.mkdir(parents=True, exist_ok=True)
    photos, each = list(told), IN_A_ROW**2
    found: dict[Path, list[str]] = {}
    for first in range(0, len(photos) - each + 1, each):
        picture = Image.new("RGB", (SIDE * IN_A_ROW, SIDE * IN_A_ROW))
        parts = photos[first : first + each]
        for place, photo in enumerate(parts):
            down, across = divmod(place, IN_A_ROW)
            fitted = ImageOps.fit(Image.open(photo).convert("RGB"), (SIDE, SIDE))
            picture.paste(fitted, (across * SIDE, down * SIDE))
        path = folder / f"{first:04}.jpg"
        picture.save(path, quality=90)
        found[path] = [caption for photo in parts for caption in told[photo]]
    return found


def asked(told: dict[Path, list[str]], name: str, regions: int, given: Given) -> EvaluationRecord:
    """Index the pictures of a set, and return what the search answers to its captions."""
    collection = given.folder / f"{name}-{regions}.duckdb"
    pictures = sorted({str(path.parent) for path in told})
    index = [CROSSMODAL, "index", *pictures, "-c", collection, "--model", given.model]
    subprocess.run([*index, "--regions", str(regions)], check=True, stdout=sys.stderr)
    table = given.folder / f"{name}.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "caption"))
        writer.writerows((path, caption) for path, said in told.items() for caption in said)
    query = QueryOptions(collection=str(collection), k=100)
    spec = EvaluateSpec(set_path=str(table), query=query, pairs=(PAIR,))
    return judge(JudgeSpec(evaluate=spec)).evaluated.record


def compared(before: EvaluationRecord, after: EvaluationRecord) -> dict[str, Any]:
    """Return by measure before, after, and the paired difference with its interval."""
    later = {query.query_id: query for query in after.queries}
    _, pictures = np.unique([query.cluster for query in before.queries], return_inverse=True)
    told = {}
    for name in SHOWN:
        column = MEASURES.index(name)
        was = np.array([query.scores[column] for query in before.queries], np.float64)
        now = np.array([later[q.query_id].scores[column] for q in before.queries], np.float64)
        gained = difference(now, was, pictures)
        change = [round(v, 4) for v in (gained.value, gained.low, gained.high)]
        told[name] = {"before": float(was.mean()), "after": float(now.mean()), "change": change}
    return told


def main(model: str, data: str, folder: str, out: str) -> None:
    """Measure both sets, and write the figures as JSON."""
    given = Given(model, Path(folder))
    photos = captions_of(Path(data).absolute())
    sets = {"mosaics": mosaics(photos, given.folder / "mosaics"), "photos": photos}
    report: dict[str, Any] = {}
    for name, every in ASKED.items():
        first, *others = every
        base = asked(sets[name], name, first, given)
        for regions in others:
            found = compared(base, asked(sets[name], name, regions, given))
            with Collection(given.folder / f"{name}-{regions}.duckdb").read() as con:
                (kinds,) = con.execute("SELECT count(*) FROM chunk").fetchall()
            report[f"{name}, --regions {regions}"] = {"chunks": kinds[0], **found}
            print(json.dumps({name: found}), flush=True)
    Path(f"{out}.json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
