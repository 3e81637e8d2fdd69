"""Measure on real embeddings how much search by codes finds: of pictures, by pictures and captions.

    python -m benchmarks.search_real MODEL ../shared/data /tmp/real --crops 5

Photos at hand are too few to tell, so of each some parts are embedded, half to all of it. Asked are
further parts, captions, and what an audit asks. Every effort is taken as in a list of many more
vectors: its share of these few, without the least number that a search goes through. The work
folder keeps the vectors.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from benchmarks.coded import measured, opened
from benchmarks.truth import exact_ids
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.ledger.collection import Collection
from crossmodal.models.lineup import choose_lineup
from crossmodal.models.options import LineupSpec, ModelSpec
from crossmodal.vectors.ann.generation import OpenCodes
from crossmodal.vectors.ann.quantiser import encode, learn
from crossmodal.vectors.ann.scan import EFFORTS
from crossmodal.vectors.ann.segments import SegmentBuilder
from crossmodal.vectors.audit import made_queries

if TYPE_CHECKING:
    from crossmodal.encoders.encoder import Encoder

_FOLDERS = ("captions", "cars", "classify")
_LISTS = (32, 128, 512)
_SAMPLED = 32
_NUM_AUDIT = 1000
_BATCH = 32
_SEED = 20_261_125


def main() -> None:
    """Run the benchmark and print its figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="folder of an image-text model")
    parser.add_argument("data", type=Path, help="holds captions/, cars/ and classify/")
    parser.add_argument("work", type=Path)
    parser.add_argument("--crops", type=int, default=5, help="parts of each photo")
    parser.add_argument("--queries", type=int, default=200, help="of each kind")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    stored, queries = _vectors(options)
    facts = {"vectors": len(stored), "held": _spectrum(stored)}
    report = {"facts": facts, "rows": [_measured(stored, queries, n, options) for n in _LISTS]}
    print(json.dumps(report, indent=1))


def _measured(
    stored: np.ndarray, queries: np.ndarray, num_lists: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Return the recall of pictures, captions and an audit's queries, effort by effort."""
    codes = _coded(stored, num_lists, options.work)
    drawn = np.random.default_rng(_SEED).choice(stored, 3 * _NUM_AUDIT)
    asked = [*np.split(queries, 2), made_queries(drawn, stored.mean(axis=0))]
    truths = [exact_ids(stored, questions) for questions in asked]
    rows = {}
    for effort in EFFORTS:
        few = replace(effort, min_scanned=0)
        found = [
            measured(codes, few, questions, truth).recall_all
            for questions, truth in zip(asked, truths, strict=True)
        ]
        rows[effort.share] = dict(zip(("pictures", "captions", "audit"), found, strict=True))
    return {"lists": num_lists, "recall": rows}


def _vectors(options: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Return (n, dim) stored vectors and (2 m, dim) queries: pictures, then captions."""
    stored, queries = options.work / "stored.npy", options.work / "queries.npy"
    if not queries.exists():
        encoder = _encoder(options.model, options.work)
        rng = np.random.default_rng(_SEED)
        photos = sorted(
            path for name in _FOLDERS for path in (options.data / name).rglob("*.[jp][pn]g")
        )
        np.save(stored, _embedded(encoder, photos, options.crops, rng))
        asking = rng.choice(np.array(photos, dtype=object), options.queries, replace=False)
        captions = rng.choice(_captions(options.data), options.queries, replace=False)
        pictures = _embedded(encoder, list(asking), 1, rng)
        np.save(queries, np.concatenate([pictures, encoder.encode_queries(captions.tolist())]))
    return np.load(stored), np.load(queries)


def _encoder(model: str, work: Path) -> Encoder:
    spec = LineupSpec(joint=ModelSpec(model))
    return Encoders(choose_lineup(Collection(work / "none.duckdb"), spec, "auto")).of("image")


def _captions(data: Path) -> list[str]:
    lines = (data / "captions" / "captions.jsonl").read_text("utf-8").splitlines()
    return [caption for line in lines for caption in json.loads(line)["captions"]]


def _embedded(
    encoder: Encoder, photos: list[Path], num_crops: int, rng: np.random.Generator
) -> np.ndarray:
    """Return the vectors of so many parts of each photo."""
    parts = (
        encoder.preprocess.apply(part) for path in photos for part in _crops(path, num_crops, rng)
    )
    vectors = []
    while batch := list(islice(parts, _BATCH)):
        vectors.append(encoder.encode_images(np.stack(batch)).vectors)
    return np.concatenate(vectors)


def _crops(path: Path, num: int, rng: np.random.Generator) -> Iterator[Image.Image]:
    with Image.open(path) as opened_picture:
        picture = opened_picture.convert("RGB")
    for share in rng.uniform(0.5, 1, num):
        width, height = (max(1, round(side * share)) for side in picture.size)
        left = int(rng.integers(0, picture.width - width + 1))
        top = int(rng.integers(0, picture.height - height + 1))
        yield picture.crop((left, top, left + width, top + height))


def _coded(stored: np.ndarray, num_lists: int, work: Path) -> OpenCodes:
    """Return the codes of vectors 1 to n."""
    sample = np.random.default_rng(_SEED).permutation(stored)[: _SAMPLED * num_lists]
    basis = learn(sample, num_lists)
    builder = SegmentBuilder(basis)
    builder.add(np.arange(1, len(stored) + 1), encode(basis, stored))
    return opened(work, basis, builder.write(work), len(stored))


def _spectrum(stored: np.ndarray) -> dict[int, float]:
    """Return which share of the variance the first principal dimensions hold."""
    variance = np.linalg.eigvalsh(np.cov(stored.T))[::-1]
    shares = np.cumsum(variance) / variance.sum()
    return {num: round(float(shares[num - 1]), 3) for num in (64, 128, 256)}


if __name__ == "__main__":
    main()
