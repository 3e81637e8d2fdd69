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
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search_collection import made_up_version
from benchmarks.vectors import Space, blocks, draw, make_space
from tasks.records import VectorList
from tasks.storage.codes.files import (
    Manifest,
    SegmentFiles,
    new_token,
    write_arrays,
    write_manifest,
)
from tasks.storage.codes.opened import OpenCodes, fingerprint_of, open_codes
from tasks.storage.codes.scan import EFFORTS, Effort, candidates
from tasks.storage.codes.segments import Pile
from tasks.storage.codes.space import Basis, encode, learn, lists_for, sample_size

K = 10
_LOOKED_AT = 26
_SEGMENT_ROWS = 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """Hold the figures of one effort."""

    effort: Effort
    p50_ms: float
    p95_ms: float
    recall: float
    recall_foreign: float


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
    rows = [_measured(codes, effort, queries, truth) for effort in EFFORTS]
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
    dim = queries.shape[1]
    basis = learn(draw(space, sample_size(num), stream=9), lists_for(num))
    best = np.full((len(queries), K), -np.inf, np.float32), np.zeros((len(queries), K), np.int64)
    segments: list[SegmentFiles] = []
    pile, seconds = Pile(basis), 0.0
    for first, block in _numbered(space, num):
        ids = np.arange(first, first + len(block))
        best = _better(best, queries @ block.T, ids)
        started = time.perf_counter()
        pile.add(ids, encode(basis, block))
        if (first - 1 + len(block)) % _SEGMENT_ROWS == 0 or first - 1 + len(block) == num:
            segments += pile.write(folder)
            pile = Pile(basis)
        seconds += time.perf_counter() - started
    return _opened(folder, basis, segments, num, dim), best[1], seconds


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


def _opened(
    folder: Path, basis: Basis, segments: list[SegmentFiles], num: int, dim: int
) -> OpenCodes:
    vectors = VectorList(replace(made_up_version(dim), id=1), "image")
    arrays = {"mean": basis.mean, "rotation": basis.rotation, "centres": basis.centres}
    manifest = Manifest(
        token=new_token(),
        fingerprint=fingerprint_of(vectors),
        covered_seq=num,
        num_trained=num,
        gain=basis.gain,
        basis=write_arrays(folder, "basis", arrays),
        segments=tuple(segments),
    )
    write_manifest(folder, manifest)
    return open_codes(folder, manifest.token, vectors)


def _read_bits_ms(codes: OpenCodes) -> float:
    times = []
    for _ in range(7):
        started = time.perf_counter()
        for segment in codes.segments:
            segment.bits.max()
        times.append((time.perf_counter() - started) * 1000)
    return float(np.median(times))


def _measured(codes: OpenCodes, effort: Effort, queries: np.ndarray, truth: np.ndarray) -> Row:
    times, found = [], []
    for i in [0, len(queries) - 1, *range(len(queries))]:
        started = time.perf_counter()
        ids = candidates(codes, queries[i], effort).closest(_LOOKED_AT).chunk_ids[:K]
        times.append((time.perf_counter() - started) * 1000)
        found.append(len(np.intersect1d(ids, truth[i])) / K)
    # The first two only warm up.
    times, found = times[2:], found[2:]
    half = len(queries) // 2
    return Row(
        effort=effort,
        p50_ms=float(np.median(times)),
        p95_ms=float(np.percentile(times, 95)),
        recall=float(np.mean(found[:half])),
        recall_foreign=float(np.mean(found[half:])),
    )


if __name__ == "__main__":
    main()
