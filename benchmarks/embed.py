"""Measure how close the way from file to vector comes to what the machine can do, and to others.

Limits (the model alone, decoding alone, reading alone) and contenders (the pipeline, a tutorial's
Daft UDF in float32, a threaded loop in bfloat16, and sentence-transformers, ONNX Runtime and
OpenVINO where they are installed, with the last of which the pipeline is run too) take turns over
the same pictures, so that what else the machine does meets them all; ratios are taken round by
round. Times are given twice: by the clock, and as processor time, which neighbours disturb less.

    python -m benchmarks.embed MODEL --captions ../shared/data/captions/flickr8k \
        --hires ../shared/data/hires --out benchmarks/results/today-embed

Writes ``.json`` and ``.md``; with ``--add`` the sets that the former holds already stay.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import embed_sets
from benchmarks.embed_contenders import Child, Timed
from benchmarks.embed_parts import Vectors
from benchmarks.embed_report import LEFT_OUT, LIBRARIES, as_markdown, conditions
from benchmarks.embed_sets import PictureSet

_OURS = (("pipeline, openvino",) if "openvino" in LIBRARIES else ()) + ("pipeline",)
_CONTENDERS = ["tutorial", "loop", *LIBRARIES, *_OURS]
_BATCHES = (4, 8, 16, 32)
_MODEL_IMAGES = 64


@dataclass(slots=True)
class Sums:
    """Add up what a contender or a limit took, round by round."""

    rounds: list[Timed] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        """Return items a second by the clock."""
        return self._items / sum(r.wall_s for r in self.rounds)

    @property
    def cpu_ms(self) -> float:
        """Return processor milliseconds an item."""
        return 1000 * sum(r.cpu_s for r in self.rounds) / self._items

    @property
    def _items(self) -> int:
        return sum(r.num_items for r in self.rounds)


def best_batch(limits: Child) -> dict[str, Any]:
    """Return processor time and rate of the model on random pixels, by batch size."""
    found = {}
    for one_core_each in (True, False):
        for batch in _BATCHES:
            took = limits.do("model", [], batch, _MODEL_IMAGES, one_core_each)
            way = "a pass a core" if one_core_each else "all cores a pass"
            found[f"{way}, batch {batch}"] = {
                "images_per_s": round(_MODEL_IMAGES / took.wall_s, 1),
                "cpu_ms": round(1000 * took.cpu_s / _MODEL_IMAGES, 1),
            }
            print(list(found.items())[-1], flush=True)
    return found


def measure(pictures: PictureSet, children: dict[str, Child], num_rounds: int) -> dict[str, Any]:
    """Let limits and contenders take turns over a set and return the figures."""
    sums: dict[str, Sums] = {}
    vectors: dict[str, list[Vectors]] = {name: [] for name in _CONTENDERS}
    for paths in _slices(pictures.paths, num_rounds):
        for name in _CONTENDERS:
            took = children[name].do("images", paths)
            vectors[name].append(took.result)
            sums.setdefault(name, Sums()).rounds.append(took)
            print(pictures.name, name, round(took.wall_s, 1), round(took.cpu_s, 1), flush=True)
        limits = children["limits"]
        # Fewer batches than cores would leave cores without work.
        together = 8 * (os.cpu_count() or 1)
        num_random = -(-len(paths) // together) * together
        model = limits.do("model", [], 8, num_random, True)
        for limit, took in {
            "model alone": Timed(num_random, model.wall_s, model.cpu_s, model.peak_rss_bytes, None),
            "decode alone": limits.do("decode", paths),
            "read alone": limits.do("read", paths),
        }.items():
            sums.setdefault(limit, Sums()).rounds.append(took)
    return _figures(pictures, sums, {name: np.concatenate(v) for name, v in vectors.items()})


def recall_at_10(images: Vectors, texts: Vectors, captions: Sequence[tuple[str, int]]) -> float:
    """Return how often a caption's picture is among the ten nearest."""
    nearest = np.argsort(-(texts @ images.T), axis=1)[:, :10]
    return float(np.mean([row in found for (_, row), found in zip(captions, nearest, strict=True)]))


def _figures(
    pictures: PictureSet, sums: dict[str, Sums], vectors: dict[str, Vectors]
) -> dict[str, Any]:
    rows = {
        name: {"images_per_s": round(s.per_s, 2), "cpu_ms": round(s.cpu_ms, 2)}
        for name, s in sums.items()
    }
    for name in _CONTENDERS:
        cosines = np.sum(vectors[name] * vectors["tutorial"], axis=1)
        rows[name] |= {
            "peak_rss_mb": round(max(r.peak_rss_bytes for r in sums[name].rounds) / 1e6),
            "cosine_mean": round(float(cosines.mean()), 4),
            "cosine_min": round(float(cosines.min()), 4),
        }
    together = 1 / (1 / sums["model alone"].per_s + 1 / sums["decode alone"].per_s)
    cpu_together = sums["model alone"].cpu_ms + sums["decode alone"].cpu_ms
    return {
        "num_images": len(pictures.paths),
        "rows": rows,
        "times_faster": {name: _ratios(sums[name], sums["pipeline"]) for name in _CONTENDERS[:-1]},
        "of_the_limit": {
            "by_clock": round(sums["pipeline"].per_s / together, 3),
            "by_cpu": round(cpu_together / sums["pipeline"].cpu_ms, 3),
        },
        "vectors": vectors,
    }


def _ratios(other: Sums, ours: Sums) -> dict[str, Any]:
    pairs = list(zip(other.rounds, ours.rounds, strict=True))
    walls = [theirs.wall_s / mine.wall_s for theirs, mine in pairs]
    cpus = [theirs.cpu_s / mine.cpu_s for theirs, mine in pairs]
    return {
        "by_clock": round(statistics.median(walls), 2),
        "by_clock_rounds": [round(value, 2) for value in walls],
        "by_cpu": round(statistics.median(cpus), 2),
    }


def _slices(paths: list[str], num: int) -> Iterator[list[str]]:
    size = -(-len(paths) // num)
    yield from (paths[i : i + size] for i in range(0, len(paths), size))


def _score(pictures: PictureSet, found: dict[str, Any], children: dict[str, Child]) -> None:
    vectors = found.pop("vectors")
    if pictures.captions:
        texts = [text for text, _ in pictures.captions]
        for name in _CONTENDERS:
            words = children[name].do("texts", texts).result
            found["rows"][name]["recall_at_10"] = round(
                recall_at_10(vectors[name], words, pictures.captions), 4
            )


def main(options: argparse.Namespace) -> None:
    """Measure, and write the results."""
    if options.int8:
        _CONTENDERS.insert(-1, "pipeline, int8")
    for name, lacking in LEFT_OUT.items():
        print(f"{name} is left out: no module {', '.join(lacking)}", flush=True)
    told = conditions(options.model)
    with tempfile.TemporaryDirectory() as scratch:
        sets = [embed_sets.made(options.made or Path(scratch), options.num_large)]
        if options.hires:
            sets.append(embed_sets.given("hires, all", options.hires, options.num_large))
            photos = embed_sets.given("hires, photos", options.hires, options.num_large, {".jpg"})
            sets.append(photos)
        if options.captions:
            sets.append(embed_sets.captioned("captions", options.captions, options.num_small))
        chosen = [s for s in sets if not options.only or s.name in options.only]
        children = {name: Child(name, options.model) for name in (*_CONTENDERS, "limits")}
        for name in _CONTENDERS:
            children[name].do("images", chosen[0].paths[:8])
        batches = best_batch(children["limits"]) if options.batches else {}
        results = {}
        for pictures in chosen:
            load = round(os.getloadavg()[0], 1)
            found = measure(pictures, children, options.rounds)
            found["load_before_and_after"] = [load, round(os.getloadavg()[0], 1)]
            _score(pictures, found, children)
            results[pictures.name] = found
            print(json.dumps(found, indent=1), flush=True)
        for child in children.values():
            child.end()
    told["load_at_end"] = [round(value, 1) for value in os.getloadavg()]
    earlier = _earlier(options.out.with_suffix(".json")) if options.add else {}
    results = earlier.get("sets", {}) | results
    batches = batches or earlier.get("model_by_batch", {})
    report = {"conditions": told, "model_by_batch": batches, "sets": results}
    options.out.with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")
    options.out.with_suffix(".md").write_text(as_markdown(report))


def _earlier(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text()) if path.is_file() else {}


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--captions", type=Path, help="folder with captions.jsonl above it")
    parser.add_argument("--hires", type=Path, help="folder of large pictures")
    parser.add_argument("--made", type=Path, help="keep the generated pictures here")
    parser.add_argument("--num-small", type=int, default=400)
    parser.add_argument("--num-large", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", action="append", help="name of a set; by default all")
    parser.add_argument(
        "--int8", action="store_true", help="the pipeline too with MODEL-int8, which lies beside"
    )
    parser.add_argument("--add", action="store_true", help="keep the other sets of --out")
    parser.add_argument("--batches", action="store_true", help="try batch sizes of the model too")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


if __name__ == "__main__":
    main(_options())
