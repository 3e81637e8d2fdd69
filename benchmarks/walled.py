"""Measure what it costs to decode pictures and read texts in the walled process, not in this one.

Both ways take turns over the same files, in an order that is drawn; ratios are taken round by
round, with a bootstrap interval of their mean. Times are given by the clock and as processor time
of this process and its children. "alone" is the decoding and cutting of one file after another;
"indexed" is the shard's query with the model, as a run has it.

    python -m benchmarks.walled ../shared/data/captions [--model starter] [--rounds 12]
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from benchmarks.mixed_figures import interval
from crossmodal.chunking import walled_picture
from crossmodal.chunking.pieces import Source
from crossmodal.chunking.registry import in_charge
from crossmodal.chunking.text import cut as text_cut
from crossmodal.embedding.options import EmbedOptions
from crossmodal.embedding.shard_query import embed_shard
from crossmodal.encoders.lineup_encoders import Encoders
from crossmodal.models import files as model_files
from crossmodal.models import prepared_picture
from crossmodal.models.options import ModelSpec
from crossmodal.records import PLAN_SCHEMA, Action, Lineup
from crossmodal.runs.progress import NullProgress

_WALLED = (prepared_picture, walled_picture, text_cut)
Work = Callable[[Sequence[Path]], None]


@contextmanager
def in_this_process() -> Iterator[None]:
    """Let what runs in a child run here."""
    kept = prepared_picture.run_in_child

    def here(function: Callable[..., Iterator[Any]], *args: Any, **_: Any) -> Iterator[Any]:
        return function(*args)

    for module in _WALLED:
        module.run_in_child = here  # type: ignore[assignment]
    try:
        yield
    finally:
        for module in _WALLED:
            module.run_in_child = kept


def planned(paths: Sequence[Path], media_type: str, modality: str, chunker: str) -> pa.Table:
    """Return files as a shard's plan."""
    told = {"size_bytes": 0, "mtime_ns": 0, "action": Action.ADDED, "reason": "new", "embed": True}
    told |= {"media_type": media_type, "modality": modality, "chunker": chunker}
    rows = [
        told
        | {
            "uri": str(path),
            "root": str(path.parent),
            "size_bytes": path.stat().st_size,
            "content_hash": hashlib.sha256(path.read_bytes()).hexdigest(),
            "previous_uri": None,
        }
        for path in paths
    ]
    return pa.Table.from_pylist(rows, schema=PLAN_SCHEMA)


def took(work: Work, paths: Sequence[Path]) -> tuple[float, float]:
    """Return the seconds that a piece of work takes by the clock and of the processor."""
    processor, started = _processor_s(), time.perf_counter()
    work(paths)
    return time.perf_counter() - started, _processor_s() - processor


def _processor_s() -> float:
    """Return what this process and its children, also those that have ended, have worked."""
    me = psutil.Process()
    return sum(me.cpu_times()[:4]) + sum(sum(one.cpu_times()[:2]) for one in me.children())


def compared(work: Work, paths: list[Path], num_rounds: int) -> dict[str, Any]:
    """Let both ways take turns over the files; ratios are walled against here."""
    draw = random.Random(7)
    for way in (True, False):
        _round(work, paths[:20], way)
    walls, processors, here_ms = [], [], []
    for _ in range(num_rounds):
        found = {way: _round(work, paths, way) for way in draw.sample([True, False], 2)}
        walls.append(found[True][0] / found[False][0])
        processors.append(found[True][1] / found[False][1])
        here_ms.append(1000 * found[False][1] / len(paths))
    return {
        "processor_ms_a_file_here": round(float(np.median(here_ms)), 2),
        "clock": _with_interval(walls),
        "processor": _with_interval(processors),
    }


def _round(work: Work, paths: Sequence[Path], walled: bool) -> tuple[float, float]:
    if walled:
        return took(work, paths)
    with in_this_process():
        return took(work, paths)


def _with_interval(ratios: list[float]) -> str:
    names = {"round": [str(number) for number in range(len(ratios))]}
    low, high = interval({"round": np.array(ratios)}, names)
    return f"{np.mean(ratios):.3f} ({low:.3f} to {high:.3f})"


def caption_files(captions: Path, folder: Path) -> list[Path]:
    """Write the captions of each photo, twenty times over, as a page of a few kilobytes."""
    rows = list(csv.DictReader((captions / "captions.csv").open(encoding="utf-8")))
    paths = []
    for number, (name, found) in enumerate(groupby(rows, key=lambda row: row["path"])):
        lines = [row["caption"] for row in found]
        path = folder / f"{number}.md"
        path.write_text(f"# {name}\n\n" + "\n\n".join(lines * 20), encoding="utf-8")
        paths.append(path)
    return paths


def main(options: argparse.Namespace) -> None:
    """Measure and print."""
    encoders, embed = _encoders(options.model), EmbedOptions()
    tools, rules = encoders.tools(), embed.chunk_rules
    preprocess = encoders.of("image").preprocess
    pictures = sorted((options.captions / "flickr8k").glob("*.jpg"))[: options.files]
    chunkers = in_charge(rules, encoders.lineup)

    def decode(paths: Sequence[Path]) -> None:
        for path in paths:
            prepared_picture.prepare_walled(
                path.read_bytes(), embed.max_megapixels, preprocess, rules
            )

    def cut(paths: Sequence[Path]) -> None:
        for path in paths:
            list(text_cut.cut(Source(str(path), "text/markdown", path.read_bytes()), rules, tools))

    def indexed(media_type: str, pattern: str) -> Work:
        charged = chunkers[pattern]

        def work(paths: Sequence[Path]) -> None:
            table = planned(paths, media_type, charged.modality, charged.fingerprint)
            embed_shard(table, encoders, embed, lambda _: None, NullProgress())

        return work

    with tempfile.TemporaryDirectory() as folder:
        texts = caption_files(options.captions, Path(folder))[: options.files]
        tasks = {
            "pictures alone": (decode, pictures),
            "texts alone": (cut, texts),
            "pictures indexed": (indexed("image/jpeg", "image/*"), pictures),
            "texts indexed": (indexed("text/markdown", "text/markdown"), texts),
        }
        for name in (name for name in tasks if options.only in name):
            work, paths = tasks[name]
            found = compared(work, paths, options.rounds)
            print(f"{name}, {len(paths)} files: {found}", flush=True)


def _encoders(model: str) -> Encoders:
    files = model_files.resolve(ModelSpec(model))
    dtype = model_files.choose_dtype("auto", "cpu")
    version = model_files.describe(files, dtype, model_files.weights_hash(files))
    encoders = Encoders(Lineup.of(version), "cpu")
    encoders.load(["image", "text"])
    return encoders


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("captions", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--only", default="", help="alone, indexed, pictures or texts")
    return parser.parse_args()


if __name__ == "__main__":
    main(_options())
