"""Ask faiss IVF,RaBitQ with refinement what our codes hold: see docs/adr/0015.

    python -m benchmarks.ann_faiss 1000000 --work DIR

Both on the same made-up vectors (see ``vectors``), queries held out: time at a recall of 0.99 in
turn, a filter that one vector in a hundred passes, deleting and adding, memory of a process that
opens the index, and how far scores lie from those of the stored vectors. Needs ``pip install
faiss-cpu``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.search import _queries, _stored
from benchmarks.search_collection import fill
from benchmarks.truth import K, exact_ids, share_found
from benchmarks.vectors import make_space
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.write import model_versions
from crossmodal.records import VectorList
from crossmodal.vectors.ann.cache import CodesFolder, Ready
from crossmodal.vectors.ann.scan import EFFORTS, Allowed, candidates
from crossmodal.vectors.ann.update import update_codes
from crossmodal.vectors.nearest import by_codes

_OPEN = ExitStack()
_TARGET = 0.99
_SPECS = {"sq8": "RR{dim},IVF{lists},RaBitQ,Refine(SQ8)", "flat": "RR{dim},IVF{lists},RaBitQ,RFlat"}
_EFFORTS = [(probes, times) for probes in (16, 32, 64, 128, 256) for times in (20, 40, 80, 160)]
_MEMORY = """
import sys, faiss, psutil, numpy as np
before = psutil.Process().memory_full_info().uss
index = faiss.read_index(sys.argv[1], faiss.IO_FLAG_MMAP if sys.argv[2] == "mmap" else 0)
index.search(np.load(sys.argv[3])[:1], 10)
print((psutil.Process().memory_full_info().uss - before) / 1e6)
"""
Search = Callable[[np.ndarray], np.ndarray]


def main() -> None:
    """Run all parts and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("num", type=int, help="vectors")
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--queries", type=int, default=60)
    parser.add_argument("--work", type=Path, required=True)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    space = make_space(options.dim)
    stored = _stored(space, options.num, options.work)
    queries = _queries(space, options.queries, 1)
    np.save(options.work / "queries.npy", queries)
    truth = exact_ids(stored, queries)
    facts: dict[str, Any] = {"num": options.num, "load": os.getloadavg()}
    methods: dict[str, Search] = {"ours": _ours(stored, queries, truth, options.work, facts)}
    for name, spec in _SPECS.items():
        methods[name] = _faiss(name, spec, stored, queries, truth, options.work, facts)
    facts["p50_ms"] = _take_turns(methods, queries)
    print(json.dumps(facts, indent=1, default=float))


def _ours(
    stored: np.ndarray, queries: np.ndarray, truth: np.ndarray, work: Path, facts: dict[str, Any]
) -> Search:
    collection = Collection(work / "c.duckdb")
    if not collection.exists:
        fill(collection, stored)
    with collection.read() as con:
        vectors = VectorList(model_versions.all_versions(con)[0], "image")
    started = time.perf_counter()
    update = update_codes(collection, vectors, min_vectors=1)
    mine: dict[str, Any] = {"build_s": time.perf_counter() - started, "mb": update.size_bytes / 1e6}
    con = _OPEN.enter_context(collection.read())
    ready = CodesFolder(collection.path).ready(con, vectors)
    assert isinstance(ready, Ready), ready

    def nearest(at: Ready, query: np.ndarray) -> np.ndarray:
        found = by_codes(con, vectors, query, K, at)
        assert found is not None
        return found.chunk_ids

    for effort in EFFORTS:
        search = partial(nearest, replace(ready, effort=effort))
        mine["recall"] = _recall(search, queries, truth)
        if mine["recall"] >= _TARGET:
            break
    found = [by_codes(con, vectors, query, K, ready) for query in queries]
    assert all(found)
    errors = [
        np.abs(stored[f.chunk_ids - 1] @ q - f.scores).max()
        for f, q in zip(found, queries, strict=True)
        if f
    ]
    mine["score_error"] = max(errors)
    passing = np.arange(7, len(stored) + 1, 100)
    allowed = Allowed.of(passing)
    right = passing[exact_ids(stored[passing - 1], queries) - 1]
    filtered = [candidates(ready.codes, q, ready.effort, allowed).closest(K) for q in queries]
    mine["filtered_recall"] = np.mean(
        [share_found(f.chunk_ids[:K], r) for f, r in zip(filtered, right, strict=True)]
    )
    facts["ours"] = mine
    return search


def _faiss(
    name: str,
    spec: str,
    stored: np.ndarray,
    queries: np.ndarray,
    truth: np.ndarray,
    work: Path,
    facts: dict[str, Any],
) -> Search:
    import faiss

    path, theirs = work / f"{name}.faiss", {}
    lists = 1 << round(np.log2(len(stored)) / 2)
    if not path.exists():
        started = time.perf_counter()
        index = faiss.index_factory(
            stored.shape[1],
            spec.format(lists=lists, dim=stored.shape[1]),
            faiss.METRIC_INNER_PRODUCT,
        )
        index.train(np.ascontiguousarray(stored[:: max(1, len(stored) // (lists * 64))]))
        for start in range(0, len(stored), 100_000):
            index.add(np.ascontiguousarray(stored[start : start + 100_000]))
        theirs["build_s"] = time.perf_counter() - started
        faiss.write_index(index, str(path))
    faiss.omp_set_num_threads(1)
    index = faiss.read_index(str(path))
    theirs["mb"] = path.stat().st_size / 1e6
    turned = faiss.downcast_index(index.base_index) if hasattr(index, "base_index") else index

    def asking(probes: int, times: int, selector: Any = None) -> Any:
        """Return parameters for the refining step, the rotation and the lists below it."""
        ivf = faiss.SearchParametersIVF(nprobe=probes, sel=selector)
        below = faiss.SearchParametersPreTransform(index_params=ivf)
        return faiss.IndexRefineSearchParameters(k_factor=times, base_index_params=below)

    def search(params: Any, query: np.ndarray) -> np.ndarray:
        return np.asarray(index.search(query[None], K, params=params)[1][0] + 1)

    for probes, times in _EFFORTS:
        params = asking(probes, times)
        chosen = partial(search, params)
        theirs["recall"] = _recall(chosen, queries, truth)
        theirs["effort"] = [probes, times]
        if theirs["recall"] >= _TARGET:
            break
    scores, ids = index.search(queries, K, params=params)
    exact = np.einsum("qkd,qd->qk", stored[ids.reshape(-1)].reshape(*ids.shape, -1), queries)
    theirs["score_error"] = np.abs(exact - scores).max()
    passing = np.arange(7, len(stored) + 1, 100)
    right = passing[exact_ids(stored[passing - 1], queries) - 1]
    selector = faiss.IDSelectorBatch(passing - 1)
    theirs["filtered_recall"] = _recall(
        partial(search, asking(probes, times, selector)), queries, right
    )
    theirs["remove"] = _attempt(lambda: index.remove_ids(faiss.IDSelectorRange(0, 1000)))
    theirs["transform"] = type(turned).__name__
    for way in ("mmap", "read"):
        ran = subprocess.run(
            [sys.executable, "-c", _MEMORY, str(path), way, str(work / "queries.npy")],
            capture_output=True,
            text=True,
            check=False,
        )
        theirs[f"own_mb_{way}"] = ran.stdout.strip() or ran.stderr.strip().splitlines()[-1]
    facts[name] = theirs
    return chosen


def _attempt(action: Callable[[], object]) -> str:
    try:
        return str(action())
    except Exception as error:  # what faiss raises has no class of its own
        return f"{type(error).__name__}: {str(error).strip().splitlines()[-1]}"


def _recall(search: Search, queries: np.ndarray, truth: np.ndarray) -> float:
    return float(np.mean([share_found(search(q), t) for q, t in zip(queries, truth, strict=True)]))


def _take_turns(methods: dict[str, Search], queries: np.ndarray) -> dict[str, float]:
    """Return the median of each method, which answer ten queries in turn."""
    times: dict[str, list[float]] = {name: [] for name in methods}
    for first in range(0, len(queries), 10):
        for name, search in methods.items():
            for query in queries[first : first + 10]:
                started = time.perf_counter()
                search(query)
                times[name].append((time.perf_counter() - started) * 1000)
    return {name: float(np.median(taken)) for name, taken in times.items()}


if __name__ == "__main__":
    main()
