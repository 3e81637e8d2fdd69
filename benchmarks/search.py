"""Time search by codes against exact search and against vector libraries, on the same vectors.

    python -m benchmarks.search 100000 --out benchmarks/results/search
    python -m benchmarks.search 1000000 --slow-builds no

Made-up vectors (see ``vectors``), queries held out, half of them from another modality's cone.
Every method answers some queries in turn, so that what else the machine does hits all alike; ratios
are of medians: once ten queries in a row, once a single one, which finds the processor's caches
full of what the others left there. Each index, ours as well, looks as hard as it takes for a recall
of 0.99 on other queries of both kinds, or as hard as it can. A library that is not installed is
named and left out; none is a dependency of crossmodal: ``pip install faiss-cpu usearch hnswlib
lancedb`` beside it. On a machine that others use, set OMP_NUM_THREADS=1 and OPENBLAS_NUM_THREADS=1:
teams of threads wait for their last one.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rivals import RIVALS, Missing, Rival, Search, made, path_of
from benchmarks.search_collection import batch, cold, fill, maintenance
from benchmarks.search_report import IN_A_ROW, OURS, Row, markdown, write
from benchmarks.truth import K, exact_ids, share_found
from benchmarks.vectors import Space, blocks, draw, make_space
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.records import VectorList
from crossmodal.vectors.ann.cache import CodesFolder, Ready
from crossmodal.vectors.ann.scan import EFFORTS
from crossmodal.vectors.ann.update import update_codes
from crossmodal.vectors.nearest import by_codes, exact
from crossmodal.vectors.search import SearchRequest, find

_TARGET = 0.99
_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def main() -> None:
    """Run the benchmark and write its results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("num", type=int, help="vectors")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--work", type=Path, default=Path("/tmp/crossmodal-bench-search"))
    parser.add_argument("--slow-builds", choices=("yes", "no"), default="yes")
    parser.add_argument("--out", type=Path, help="write OUT-<num>.json and .md")
    options = parser.parse_args()
    work = options.work / f"{options.num}x{options.dim}"
    work.mkdir(parents=True, exist_ok=True)
    space = make_space(options.dim)
    stored = _stored(space, options.num, work)
    queries, others = (_queries(space, options.queries, stream) for stream in (1, 3))
    np.save(work / "queries.npy", queries)
    facts, result = _run(stored, queries, others, work, slow=options.slow_builds == "yes")
    text = markdown(options.num, options.dim, facts, result)
    print(text)
    if options.out:
        write(Path(f"{options.out}-{options.num}"), facts, result, text)


def _queries(space: Space, num: int, stream: int) -> np.ndarray:
    """Return (num, dim) float32, the second half of them from another modality's cone."""
    kinds = [draw(space, num // 2, stream=stream + i, foreign=bool(i)) for i in range(2)]
    return np.concatenate(kinds)


def _stored(space: Space, num: int, work: Path) -> np.ndarray:
    """Return the vectors, memory-mapped; made once for a work folder."""
    path, dim = work / "vectors.npy", len(space.mean)
    if not path.exists():
        part = work / "vectors.part"
        out = np.lib.format.open_memmap(part, mode="w+", dtype=np.float32, shape=(num, dim))
        at = 0
        for block in blocks(space, num):
            out[at : at + len(block)] = block
            at += len(block)
        out.flush()
        os.replace(part, path)
    return np.load(path, mmap_mode="r")


def _run(
    stored: np.ndarray, queries: np.ndarray, others: np.ndarray, work: Path, *, slow: bool
) -> tuple[dict[str, Any], list[Row]]:
    collection = Collection(work / "c.duckdb")
    if not collection.exists:
        fill(collection, stored)
    with collection.read() as con:
        vectors = VectorList(model_versions.all_versions(con)[0], "image")
    threads = {name: os.environ.get(name, "") for name in ("OMP_NUM_THREADS", _BLAS_THREADS)}
    facts: dict[str, Any] = {"machine": _machine(), "load_before": os.getloadavg()} | threads
    started = time.perf_counter()
    update = update_codes(collection, vectors, min_vectors=1)
    facts["codes_s"] = time.perf_counter() - started
    facts |= {"codes": asdict(update)} | maintenance(collection, vectors, stored)
    facts["cold_s"] = [cold(collection, work) for _ in range(3)]
    truth = exact_ids(stored, np.concatenate([queries, others]))
    methods: dict[str, tuple[Row, Search]] = {}
    for name, rival in RIVALS.items():
        try:
            methods[name] = _ready(name, rival, stored, work, others, truth, slow=slow)
        except Missing as missing:
            facts[name] = str(missing)
    with collection.read() as con:
        for row, search in _ours(con, collection, vectors, others, truth[-len(others) :]):
            row.build_s, row.size_mb = facts["codes_s"], update.size_bytes / 1e6
            methods[row.method] = row, search
        facts["batch"] = batch(con, collection, vectors, queries, K)
        for in_a_row in (1, IN_A_ROW):
            _take_turns(methods, queries, truth, in_a_row)
    facts["load_after"] = os.getloadavg()
    return facts, [row for row, _ in methods.values()]


def _ready(
    name: str,
    rival: Rival,
    stored: np.ndarray,
    work: Path,
    others: np.ndarray,
    truth: np.ndarray,
    *,
    slow: bool,
) -> tuple[Row, Search]:
    """Return an index that looks just hard enough."""
    facts = made(name, rival, stored, work, slow=slow)
    index = rival.open(stored, path_of(name, work))
    for effort in rival.efforts:
        index.set_effort(effort)
        if _recall(index.search, others, truth[-len(others) :]) >= _TARGET:
            break
    print(f"{name}: {facts}, effort {effort}", file=sys.stderr, flush=True)
    row = Row(name, build_s=facts.build_s, size_mb=facts.size_mb, effort=effort)
    return row, index.search


def _recall(search: Search, queries: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([share_found(search(q), t) for q, t in zip(queries, truth, strict=True)]))


def _ours(
    con: Any, collection: Collection, vectors: VectorList, others: np.ndarray, truth: np.ndarray
) -> Iterator[tuple[Row, Search]]:
    folder = CodesFolder(collection.path)
    audited = folder.ready(con, vectors)
    assert isinstance(audited, Ready), audited
    bits = [segment.bits for segment in audited.codes.segments]

    def nearest(ready: Ready, query: np.ndarray) -> np.ndarray:
        found = by_codes(con, vectors, query, K, ready)
        assert found is not None
        return found.chunk_ids

    def hits(query: np.ndarray) -> np.ndarray:
        found = find(con, SearchRequest(vectors, query, k=K), folder)
        return np.array([hit.chunk_id for hit in found.hits])

    for effort in EFFORTS:
        tuned = partial(nearest, replace(audited, effort=effort))
        if _recall(tuned, others, truth) >= _TARGET:
            break
    chosen = audited.effort.share
    yield Row("crossmodal: reading all sign bits once"), lambda _: np.array([b.max() for b in bits])
    yield Row(OURS, effort=effort.share), tuned
    yield Row("crossmodal: as the audit chose", effort=chosen), partial(nearest, audited)
    yield Row("crossmodal: whole hits from DuckDB", effort=chosen), hits
    yield Row("DuckDB, plain SQL"), lambda query: exact(con, vectors, query, K).chunk_ids


def _take_turns(
    methods: dict[str, tuple[Row, Search]], queries: np.ndarray, truth: np.ndarray, in_a_row: int
) -> None:
    """Let each method answer each query, so many in a row; it warms up with three."""
    found: dict[str, list[float]] = {name: [] for name in methods}
    for _, search in methods.values():
        for query in queries[:: len(queries) // 3]:
            search(query)
    for first in range(0, len(queries), in_a_row):
        for name, (row, search) in methods.items():
            times = row.alone_ms if in_a_row == 1 else row.times_ms
            for i in range(first, min(first + in_a_row, len(queries))):
                started = time.perf_counter()
                ids = search(queries[i])
                times.append((time.perf_counter() - started) * 1000)
                found[name].append(share_found(ids, truth[i]))
    for name, (row, _) in methods.items():
        half = len(queries) // 2
        row.recall = float(np.mean(found[name][:half]))
        row.recall_foreign = float(np.mean(found[name][half:]))


def _machine() -> str:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    free = shutil.disk_usage("/tmp").free >> 30
    return f"{os.cpu_count()} cores, {model}, numpy {np.__version__}, {free} GB free"


if __name__ == "__main__":
    main()
