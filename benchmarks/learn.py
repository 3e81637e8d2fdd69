"""Measure what a fine-tuned head gains on cars, and what is forgotten on photos of everything.

For each seed one half of the cars is learned from and the other half, with captions and photos that
were not, is measured: the base against what was learned, by the product's own ``evaluate``, paired.
Forgetting is measured on photos and captions that nothing was learned from. ``--keep`` names pairs
of other photos that are learned along with.

    crossmodal index ../shared/data/cars ../shared/data/captions ../shared/data/train -c l.duckdb
    python -m benchmarks.learn l.duckdb ../shared/data today-learn [KEEP [DEPTH [SEEDS [EACH]]]]

DEPTH is head or text, SEEDS such as 0,1,2; or DEPTH is spaces, and every fitted space is measured.
EACH is how many of the five captions of a photo are asked.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
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
from crossmodal.training.finetune import register_tuned, tune
from crossmodal.training.head import HeadSpec
from crossmodal.training.prepare import prepare
from crossmodal.training.spec import FinetuneSpec, Prepared, TowerSpec, Tuned
from crossmodal.training.tune_towers import (
    checkpoint_of,
    register_model,
    tune_towers,
    write_tuned,
)

SPACES = (("centring", 0), ("pca", 256), ("pca", 128), ("pca", 64), ("whitening", 128))
PAIR = "text->image"


def main(
    given: str,
    data: str,
    out: str,
    keep: str = "",
    depth: str = "head",
    seeds: str = "0,1,2",
    each: str = "5",
) -> None:
    """Measure on a copy of the collection, and write the figures as JSON."""
    folder = Path(tempfile.mkdtemp())
    collection = str(shutil.copy(given, folder / "learn.duckdb"))
    photos = _flickr(Path(data), folder, int(each))
    if depth == "spaces":
        found = [_space(collection, photos, kind, dim) for kind, dim in SPACES]
    else:
        before = judge(JudgeSpec(evaluate=_spec(collection, photos, None))).evaluated.record
        asked = FinetuneSpec(pairs="", keep=keep, depth=depth)
        found = [
            _tuned(collection, Path(data), (photos, before.evaluation_id), asked, seed)
            for seed in map(int, seeds.split(","))
        ]
    Path(f"{out}.json").write_text(json.dumps({depth: found}, indent=2))


def _flickr(data: Path, folder: Path, each: int) -> Path:
    """Write so many captions of each of the photos that are measured only."""
    rows = (data / "captions" / "captions.csv").read_text().splitlines()
    of_photo = Counter[str]()
    kept = []
    for row in rows[1:]:
        photo = row.partition(",")[0]
        of_photo[photo] += 1
        if photo.startswith("captions/flickr8k/") and of_photo[photo] <= each:
            kept.append(row)
    path = folder / "flickr8k.csv"
    path.write_text("\n".join([rows[0], *(f"{data.absolute()}/{row}" for row in kept)]))
    return path


def _tuned(
    collection: str, data: Path, photos: tuple[Path, str], given: FinetuneSpec, seed: int
) -> dict[str, Any]:
    learn, measure = write_pairs(data / "cars" / "labels.csv", Path(collection).parent, seed)
    spec = replace(
        given,
        pairs=str(learn),
        name=f"cars-{seed}",
        head=HeadSpec(seed=seed),
        tower=TowerSpec(seed=seed),
    )
    opened = Collection(collection)
    started_s = time.monotonic()
    prepared = prepare(opened, spec)
    read_s = time.monotonic() - started_s
    tuned, model = _learned(opened, prepared, spec)
    learned_s = time.monotonic() - started_s - read_s
    found = {
        "seed": seed,
        "read_s": read_s,
        "learned_s": learned_s,
        "epochs": len(tuned.epochs),
        "best_epoch": tuned.best_epoch,
        "share": tuned.share,
        "dev": [tuned.base.dev.at_1, tuned.best.dev.at_1],
        "kept": [tuned.base.kept.at_1, tuned.best.kept.at_1],
        "cars": _compared(collection, measure, model),
        "steps": [step.to_dict() for step in tuned.steps],
        "photos": _compared(collection, photos[0], model, photos[1]),
    }
    return _said(found)


def _learned(opened: Collection, prepared: Prepared, spec: FinetuneSpec) -> tuple[Tuned, str]:
    """Learn and register; return the name to measure it by."""
    if spec.depth == "head":
        tuned = tune(prepared, spec, lambda epoch: None)
        with opened.write() as con:
            register_tuned(con, prepared, tuned, spec, "benchmark")
        fill_spaces(opened, "benchmark")
        return tuned, spec.name
    tuned = tune_towers(opened, prepared, spec, lambda epoch: print(epoch, file=sys.stderr))
    written = write_tuned(opened, prepared, tuned, spec)
    with opened.write() as con:
        version = register_model(con, written, prepared, tuned, spec, "benchmark")
    checkpoint_of(opened, prepared, spec).clear()
    return tuned, version.label


def _space(collection: str, photos: Path, kind: str, dim: int) -> dict[str, Any]:
    added = add_space(collection, SpaceSpec(kind=kind, dim=dim, name=f"{kind}-{dim}"))
    compared = _compared(collection, photos, added.name)
    return _said(
        {"space": added.name, "bytes": [added.parent_bytes, added.vector_bytes], "photos": compared}
    )


def _compared(collection: str, pairs: Path, model: str, against: str = "live") -> dict[str, Any]:
    """Return recall before, after and the difference with its 95 % interval."""
    made = judge(JudgeSpec(evaluate=_spec(collection, pairs, model), against=against)).to_dict()
    (pair,) = made["comparison"]["pairs"]
    return dict(pair)


def _spec(collection: str, pairs: Path, model: str | None) -> EvaluateSpec:
    query = QueryOptions(collection=collection, model=model, k=100)
    # A hash of 64 bits takes some cars for others; photos and captions are divided beforehand.
    return EvaluateSpec(set_path=str(pairs), query=query, pairs=(PAIR,), allow_overlap=True)


def _said(found: dict[str, Any]) -> dict[str, Any]:
    sys.stdout.write(json.dumps(found, default=str) + "\n")
    sys.stdout.flush()
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
