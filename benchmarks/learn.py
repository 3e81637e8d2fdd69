"""Measure what fine-tuning gains on cars, and what is forgotten on photos of everything.

The cars are divided into folds by caption: each fold is measured once, by a model that learned from
the others and saw neither its photos nor its captions. Which depth is taken, and how much of the
way, is decided in each fold by cars that were held out of its training; what is measured decides
nothing. The base and what was learned answer the same questions through the product's own
``evaluate``, paired. Forgetting is measured on photos and captions that nothing was learned from:
through ``evaluate`` among all pictures of the collection, and among these photos alone by exact
cosines.

    crossmodal index DATA/cars DATA/captions/flickr8k DATA/train -c l.duckdb --model MODEL
    python -m benchmarks.learn l.duckdb DATA OUT [DEPTHS [FOLDS [KEEP [MINE [SIDES [WORDS]]]]]]

DEPTHS such as head,text, of which the better on what is held out is taken; or spaces, and every
fitted space is measured. KEEP photos of DATA/train, with all captions, are to be found as before.
MINE hard negatives a caption are asked of the base's own search. A head moves SIDES: text, image or
both. WORDS is sports where captions say of sports cars that they are.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from cachetools import cached

from benchmarks.learn_data import Fold, Row, write_folds, write_keep
from crossmodal.encoders.cache import load_version
from crossmodal.errors import TrainingFailed
from crossmodal.evaluation.evaluate import EvaluateSpec
from crossmodal.evaluation.intervals import difference
from crossmodal.evaluation.judge import JudgeSpec, judge
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.evaluation_records import MEASURES, EvaluationRecord, QueryResult
from crossmodal.ledger.write import model_versions
from crossmodal.ledger.write.model_versions import vector_table
from crossmodal.models.retire import one_version
from crossmodal.search.options import QueryOptions
from crossmodal.search.service import Query, SearchService
from crossmodal.spaces.add import add_space
from crossmodal.spaces.fill import fill_spaces
from crossmodal.spaces.fit import SpaceSpec
from crossmodal.training import prepare as preparing
from crossmodal.training.finetune import register_tuned, tune
from crossmodal.training.head import HeadSpec
from crossmodal.training.prepare import prepare
from crossmodal.training.spec import FinetuneSpec, Prepared, Tuned
from crossmodal.training.tune_towers import (
    checkpoint_of,
    register_model,
    tune_towers,
    write_tuned,
)

SPACES = (("centring", 0), ("pca", 256), ("pca", 128), ("pca", 64), ("whitening", 128))
PAIR = "text->image"
SHOWN = ("hit@1", "hit@5", "hit@10", "nDCG@10")
SPORTS = "a red sports car"
_VECTORS = """
SELECT s.uri, v.v FROM source s JOIN chunk c USING (content_hash) JOIN {table} v USING (chunk_id)
WHERE s.uri LIKE '%/captions/flickr8k/%'
"""
DEEP = 1000
EACH = 5
ASKED = 2


@dataclass
class Bench:
    """Hold what every fold is measured by."""

    collection: str
    data: Path
    folder: Path
    photos: Path
    every_photo: Path
    """The same with all captions."""
    keep: Path | None
    mine: int
    sides: tuple[str, ...]
    sports: bool


def main(
    given: str,
    data: str,
    out: str,
    depths: str = "head,text",
    folds: str = "5",
    keep: str = "800",
    mine: str = "0",
    sides: str = "both",
    words: str = "",
) -> None:
    """Measure on a copy of the collection, and write the figures as JSON."""
    folder = Path(tempfile.mkdtemp())
    root = Path(data).absolute()
    # What is kept is the same in every fold: it is looked at, and its captions are encoded, once.
    preparing._kept = cached(cache={}, key=lambda *given: ())(preparing._kept)
    bench = Bench(
        collection=str(shutil.copy(given, folder / "learn.duckdb")),
        data=root,
        folder=folder,
        photos=_flickr(root, folder, ASKED),
        every_photo=_flickr(root, folder, EACH),
        keep=write_keep(root / "train", folder, int(keep), EACH) if int(keep) else None,
        mine=int(mine),
        sports=words == "sports",
        sides=("text", "image") if sides == "both" else (sides,),
    )
    if depths == "spaces":
        found: Any = [_space(bench, kind, dim) for kind, dim in SPACES]
    else:
        found = _crossed(bench, depths.split(","), int(folds), Path(out))
    Path(f"{out}.json").write_text(json.dumps(found, indent=2, default=str))


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
    path = folder / f"flickr8k-{each}.csv"
    path.write_text("\n".join([rows[0], *(f"{data}/{row}" for row in kept)]))
    return path


def _crossed(bench: Bench, depths: list[str], num: int, out: Path) -> dict[str, Any]:
    """Return the figures of all folds together."""
    folds = write_folds(bench.data / "cars" / "labels.csv", bench.folder, num, sports=bench.sports)
    before, _ = _asked(bench, bench.photos, None)
    cars: list[tuple[QueryResult, QueryResult]] = []
    photos, alone, told = [], [], []
    alone_before = _alone(bench, None)
    for number, fold in enumerate(folds):
        taken, model = _best(bench, fold, number, depths)
        base, after = _both(bench, fold.measure, model)
        cars += _pairs(base, after)
        of_photos, _ = _asked(bench, bench.photos, model)
        photos.append([later for _, later in _pairs(before, of_photos)])
        alone.append(_alone(bench, model))
        sports = {
            name: _sports(bench, fold.cars, m) for name, m in (("base", None), ("tuned", model))
        }
        told.append(
            _said({"fold": number, **taken, "sports": sports} | _changes(_pairs(base, after)))
        )
        found = {
            "folds": told,
            "cars": _changes(cars),
            "photos": _forgotten([one for one, _ in _pairs(before, before)], photos),
            "photos alone": _alone_changes(alone_before, alone),
            "sports": _sports_of([each["sports"] for each in told]),
        }
        Path(f"{out}.json").write_text(json.dumps(found, indent=2, default=str))
    return _said(found)


def _best(bench: Bench, fold: Fold, number: int, depths: list[str]) -> tuple[dict[str, Any], str]:
    """Learn at every depth; register the better one on what was held out, and name it."""
    tried = []
    for depth in depths:
        spec = FinetuneSpec(
            pairs=str(fold.learn),
            keep=str(bench.keep or ""),
            depth=depth,
            name=f"cars-{number}-{depth}",
            mine=bench.mine,
            head=HeadSpec(sides=bench.sides),
        )
        started_s = time.monotonic()
        prepared = prepare(Collection(bench.collection), spec)
        try:
            tuned = _tuned(bench, prepared, spec)
        except TrainingFailed as error:
            _said({"fold": number, "depth": depth, "failed": str(error)})
            continue
        told = {
            "depth": depth,
            "took_s": round(time.monotonic() - started_s),
            "best_epoch": tuned.best_epoch,
            "epochs": len(tuned.epochs),
            "share": tuned.share,
            "steps": [step.to_dict() for step in tuned.steps],
        }
        tried.append((tuned.best.dev.total, told, prepared, tuned, spec))
        _said({"fold": number, **told})
    _, told, prepared, tuned, spec = max(tried, key=lambda each: each[0])
    return told, _registered(bench, prepared, tuned, spec)


def _tuned(bench: Bench, prepared: Prepared, spec: FinetuneSpec) -> Tuned:
    if spec.depth == "head":
        return tune(prepared, spec, lambda epoch: None)
    opened = Collection(bench.collection)
    return tune_towers(opened, prepared, spec, lambda epoch: print(epoch, file=sys.stderr))


def _registered(bench: Bench, prepared: Prepared, tuned: Tuned, spec: FinetuneSpec) -> str:
    """Register what was learned; return the name to measure it by."""
    opened = Collection(bench.collection)
    if spec.depth == "head":
        with opened.write() as con:
            register_tuned(con, prepared, tuned, spec, "benchmark")
        fill_spaces(opened, "benchmark")
        return spec.name
    written = write_tuned(opened, prepared, tuned, spec)
    with opened.write() as con:
        version = register_model(con, written, prepared, tuned, spec, "benchmark")
    checkpoint_of(opened, prepared, spec).clear()
    return version.label


def _asked(
    bench: Bench, pairs: Path, model: str | None, against: str = ""
) -> tuple[EvaluationRecord, EvaluationRecord | None]:
    query = QueryOptions(collection=bench.collection, model=model, k=100)
    # A hash of 64 bits takes some cars for others; photos and captions are divided beforehand.
    spec = EvaluateSpec(set_path=str(pairs), query=query, pairs=(PAIR,), allow_overlap=True)
    found = judge(JudgeSpec(evaluate=spec, against=against))
    return found.evaluated.record, found.before


def _both(bench: Bench, pairs: Path, model: str) -> tuple[EvaluationRecord, EvaluationRecord]:
    """Return what the base and what the model answers."""
    after, before = _asked(bench, pairs, model, "live")
    assert before is not None
    return before, after


def _pairs(
    before: EvaluationRecord, after: EvaluationRecord
) -> list[tuple[QueryResult, QueryResult]]:
    later = {query.query_id: query for query in after.queries}
    return [(query, later[query.query_id]) for query in before.queries]


def _changes(pairs: list[tuple[QueryResult, QueryResult]]) -> dict[str, Any]:
    """Return by measure before, after, and the paired difference; a question counts for itself."""
    before, after = (_scores([pair[side] for pair in pairs]) for side in (0, 1))
    return {"num": len(pairs)} | _measured(before, after, np.arange(len(pairs)))


def _forgotten(before: list[QueryResult], folds: list[list[QueryResult]]) -> dict[str, Any]:
    """Return the same of photos: the mean over the folds' models, drawn by photo."""
    _, photos = np.unique([query.cluster for query in before], return_inverse=True)
    after = np.mean([_scores(each) for each in folds], axis=0)
    each = [float((_scores(f) - _scores(before))[:, 0].mean()) for f in folds]
    return _measured(_scores(before), after, photos) | {"hit@1 by fold": each}


def _alone(bench: Bench, model: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return for each caption of the photos hit@1 and hit@10 among them, and which photo it is of.

    By exact cosines of the vectors that are stored.
    """
    with bench.every_photo.open(encoding="utf-8") as table:
        rows = [(row["path"], row["caption"]) for row in csv.DictReader(table)]
    opened = Collection(bench.collection)
    with opened.read() as con:
        live = model_versions.live(con)
        assert live is not None
        version = one_version(con, model) if model else live.joint
        stored = con.execute(_VECTORS.format(table=vector_table(version.id or 0, "image")))
        of_photo = {uri: np.array(vector, np.float32) for uri, vector in stored.fetchall()}
    photos = sorted({path for path, _ in rows})
    place = {path: number for number, path in enumerate(photos)}
    texts = load_version(version, "auto").encode_queries([text for _, text in rows])
    right = np.array([place[path] for path, _ in rows])
    scores = texts @ np.array([of_photo[path] for path in photos]).T
    ranks = (scores > scores[np.arange(len(rows)), right][:, None]).sum(axis=1)
    return np.stack([ranks < 1, ranks < 10], axis=1).astype(np.float64), right


def _alone_changes(
    before: tuple[np.ndarray, np.ndarray], folds: list[tuple[np.ndarray, np.ndarray]]
) -> dict[str, Any]:
    base, photos = before
    after = np.mean([found for found, _ in folds], axis=0)
    return {
        name: {
            "before": float(base[:, column].mean()),
            "after": float(after[:, column].mean()),
            "change": [
                round(v, 4) for v in astuple(difference(after[:, column], base[:, column], photos))
            ],
        }
        for column, name in enumerate(("hit@1", "hit@10"))
    }


def _measured(before: np.ndarray, after: np.ndarray, clusters: np.ndarray) -> dict[str, Any]:
    told = {}
    for column, name in enumerate(SHOWN):
        gained = difference(after[:, column], before[:, column], clusters)
        told[name] = {
            "before": float(before[:, column].mean()),
            "after": float(after[:, column].mean()),
            "change": [round(v, 4) for v in (gained.value, gained.low, gained.high)],
        }
    return told


def _scores(queries: list[QueryResult]) -> np.ndarray:
    columns = [MEASURES.index(name) for name in SHOWN]
    return np.array([[query.scores[c] for c in columns] for query in queries], np.float64)


def _sports(bench: Bench, cars: list[Row], model: str | None) -> dict[str, Any]:
    """Return how the cars of a fold are ordered for "a red sports car"; ambiguous ones left out."""
    right = {str((bench.data / r["path"]).absolute()): r["red_sports_car"] for r in cars}
    options = QueryOptions(collection=bench.collection, model=model, k=DEEP, modalities=("image",))
    (answer,) = SearchService(Collection(bench.collection)).ask_many([Query(text=SPORTS)], options)
    order = [right[hit.uri] == "yes" for hit in answer.hits if right.get(hit.uri) in ("yes", "no")]
    found = np.flatnonzero(order) + 1
    num = sum(each == "yes" for each in right.values())
    return {
        "num": num,
        "among_num": int((found <= num).sum()),
        "AP": float((np.arange(1, len(found) + 1) / found).sum() / max(1, num)),
    }


def _sports_of(folds: list[dict[str, Any]]) -> dict[str, Any]:
    """Return R-precision and mean average precision of all folds."""
    folds = [each for each in folds if each["base"]["num"]]
    num = sum(each["base"]["num"] for each in folds)
    return {
        side: {
            "R-precision": sum(each[side]["among_num"] for each in folds) / max(1, num),
            "mAP": float(np.mean([each[side]["AP"] for each in folds])),
        }
        for side in ("base", "tuned")
    } | {"num": num}


def _space(bench: Bench, kind: str, dim: int) -> dict[str, Any]:
    spec = SpaceSpec(kind=kind, dim=dim, name=f"{kind}-{dim}")
    added = add_space(bench.collection, spec)
    compared = _changes(_pairs(*_both(bench, bench.photos, added.name)))
    told = {"space": added.name, "bytes": [added.parent_bytes, added.vector_bytes]}
    return _said(told | {"photos": compared})


def _said(found: dict[str, Any]) -> dict[str, Any]:
    sys.stdout.write(json.dumps(found, default=str) + "\n")
    sys.stdout.flush()
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
