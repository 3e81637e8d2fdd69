"""Measure what a fine-tuned head gains on cars, and what is forgotten on photos of everything.

For each seed one half of the cars is learned from and the other half, with captions and photos that
were not, is measured: the base against what was learned, by the product's own ``evaluate``, paired.
Forgetting is measured on photos and captions that nothing was learned from. ``--keep`` names pairs
of other photos that are learned along with. Then every fitted space is measured on the same photos.

    crossmodal index ../shared/data/cars ../shared/data/captions -c learn.duckdb
    python -m benchmarks.learn learn.duckdb ../shared/data today-learn [KEEP.jsonl]
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.learn_data import write_pairs
from crossmodal.evaluation.evaluate import EvaluateSpec
from crossmodal.evaluation.judge import JudgeSpec, judge
from crossmodal.ledger.collection import Collection
from crossmodal.search.options import QueryOptions
from crossmodal.spaces.add import add_space
from crossmodal.spaces.fill import fill_spaces
from crossmodal.spaces.fit import SpaceSpec
from crossmodal.training.finetune import FinetuneSpec, prepare, register_tuned, tune

SEEDS = (0, 1, 2)
SPACES = (("centring", 0), ("pca", 256), ("pca", 128), ("pca", 64), ("whitening", 128))
PAIR = "text->image"


def main(given: str, data: str, out: str, keep: str = "") -> None:
    """Measure on a copy of the collection, and write the figures as JSON."""
    folder = Path(tempfile.mkdtemp())
    collection = shutil.copy(given, folder / "learn.duckdb")
    photos = _flickr(Path(data), folder)
    found = [_tuned(collection, Path(data), photos, keep, seed) for seed in SEEDS]
    spaces = [_space(collection, photos, kind, dim) for kind, dim in SPACES]
    Path(f"{out}.json").write_text(json.dumps({"head": found, "spaces": spaces}, indent=2))


def _flickr(data: Path, folder: Path) -> Path:
    """Write the captions of the photos that are measured only."""
    rows = (data / "captions" / "captions.csv").read_text().splitlines()
    kept = [row for row in rows[1:] if row.startswith("captions/flickr8k/")]
    path = folder / "flickr8k.csv"
    path.write_text("\n".join([rows[0], *(f"{data.absolute()}/{row}" for row in kept)]))
    return path


def _tuned(collection: str, data: Path, photos: Path, keep: str, seed: int) -> dict[str, Any]:
    learn, measure = write_pairs(data / "cars" / "labels.csv", Path(collection).parent, seed)
    spec = FinetuneSpec(pairs=str(learn), keep=keep, name=f"cars-{seed}")
    opened = Collection(collection)
    started_s = time.monotonic()
    prepared = prepare(opened, spec)
    read_s = time.monotonic() - started_s
    tuned = tune(prepared, spec, lambda epoch: None)
    learned_s = time.monotonic() - started_s - read_s
    with opened.write() as con:
        register_tuned(con, prepared, tuned, spec, "benchmark")
    fill_spaces(opened, "benchmark")
    found = {
        "seed": seed,
        "read_s": read_s,
        "learned_s": learned_s,
        "share": tuned.share,
        "dev": [tuned.base.dev.at_1, tuned.best.dev.at_1],
        "cars": _compared(collection, measure, spec.name),
        "photos": _compared(collection, photos, spec.name),
    }
    return _said(found)


def _space(collection: str, photos: Path, kind: str, dim: int) -> dict[str, Any]:
    added = add_space(collection, SpaceSpec(kind=kind, dim=dim, name=f"{kind}-{dim}"))
    compared = _compared(collection, photos, added.name)
    return _said(
        {"space": added.name, "bytes": [added.parent_bytes, added.vector_bytes], "photos": compared}
    )


def _compared(collection: str, pairs: Path, model: str) -> dict[str, Any]:
    """Return recall before, after and the difference with its 95 % interval."""
    query = QueryOptions(collection=collection, model=model, k=100)
    # A hash of 64 bits takes some cars for others; photos and captions are divided beforehand.
    spec = EvaluateSpec(set_path=str(pairs), query=query, pairs=(PAIR,), allow_overlap=True)
    made = judge(JudgeSpec(evaluate=spec, against="live")).to_dict()
    (pair,) = made["comparison"]["pairs"]
    return dict(pair)


def _said(found: dict[str, Any]) -> dict[str, Any]:
    sys.stdout.write(json.dumps(found, default=str) + "\n")
    sys.stdout.flush()
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
