"""Search ten million vectors by their codes alone: what a machine that cannot hold them still does.

    python -m benchmarks.search_codes 10000000 --out benchmarks/results/search-codes

The vectors are made up block by block (see ``vectors``), coded, and let go; exact answers are kept
while they pass by. Nothing is stored in DuckDB, so what a search looks up there is not in these
figures: ``benchmarks.search`` has it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.coded import measured, opened
from benchmarks.truth import K
from benchmarks.vectors import Space, blocks, draw, make_space
from crossmodal.vectors.ann.files import SegmentFiles
from crossmodal.vectors.ann.generation import OpenCodes
from crossmodal.vectors.ann.quantiser import encode, learn, lists_for, sample_size
from crossmodal.vectors.ann.scan import EFFORTS
from crossmodal.vectors.ann.segments import SegmentBuilder

_SEGMENT_ROWS = 1_000_000


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("num", type=int, help="vectors")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--work", type=Path, default=Path("/tmp/crossmodal-bench-codes"))
    parser.add_argument("--out", type=Path, help="write OUT.json")
    options = parser.parse_args()
    space = make_space(options.dim)
    kinds = [draw(space, options.queries // 2, 1 + i, foreign=bool(i)) for i in range(2)]
    queries = np.concatenate(kinds)
    shutil.rmtree(options.work, ignore_errors=True)
    options.work.mkdir(parents=True)
    facts: dict[str, Any] = {"load": os.getloadavg(), "cores": os.cpu_count()}
    codes, truth, facts["code_s"] = _coded(space, options.num, queries, options.work)
    facts["size_mb"] = sum(file.stat().st_size for file in options.work.iterdir()) / 1e6
    facts["read_bits_ms"] = _read_bits_ms(codes)
    rows = [measured(codes, effort, queries, truth) for effort in EFFORTS]
    facts["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    report = {"num": options.num, "facts": facts, "rows": [asdict(row) for row in rows]}
    text = json.dumps(report, indent=1)
    print(text)
    if options.out:
        Path(f"{options.out}.json").write_text(text + "\n")


def _coded(
    space: Space, num: int, queries: np.ndarray, folder: Path
) -> tuple[OpenCodes, np.ndarray, float]:
    """Return the codes of vectors 1 to ``num``, the (n, K) exact answers, and the seconds spent."""
    basis = learn(draw(space, sample_size(num), stream=9), lists_for(num))
    best = np.full((len(queries), K), -np.inf, np.float32), np.zeros((len(queries), K), np.int64)
    segments: list[SegmentFiles] = []
    builder, seconds = SegmentBuilder(basis), 0.0
    for first, block in _numbered(space, num):
        ids = np.arange(first, first + len(block))
        best = _better(best, queries @ block.T, ids)
        started = time.perf_counter()
        builder.add(ids, encode(basis, block))
        if (first - 1 + len(block)) % _SEGMENT_ROWS == 0 or first - 1 + len(block) == num:
            segments += builder.write(folder)
            builder = SegmentBuilder(basis)
        seconds += time.perf_counter() - started
    return opened(folder, basis, segments, num), best[1], seconds


def _numbered(space: Space, num: int) -> Iterator[tuple[int, np.ndarray]]:
    first = 1
    for block in blocks(space, num):
        yield first, block
        first += len(block)


def _better(
    best: tuple[np.ndarray, np.ndarray], scores: np.ndarray, ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    scores = np.concatenate([best[0], scores], axis=1)
    all_ids = np.concatenate([best[1], np.broadcast_to(ids, (len(scores), len(ids)))], axis=1)
    top = np.argpartition(-scores, K - 1, axis=1)[:, :K]
    return np.take_along_axis(scores, top, axis=1), np.take_along_axis(all_ids, top, axis=1)


def _read_bits_ms(codes: OpenCodes) -> float:
    times = []
    for _ in range(7):
        started = time.perf_counter()
        for segment in codes.segments:
            segment.bits.max()
        times.append((time.perf_counter() - started) * 1000)
    return float(np.median(times))


if __name__ == "__main__":
    main()
