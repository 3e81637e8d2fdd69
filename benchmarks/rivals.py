"""Build other people's vector indexes for the search benchmark; each answers with chunk ids.

An index is built once for a work folder and then opened from its file: graphs over a million
vectors take minutes, and every later comparison can do without them.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.truth import K

_BLOCK_ROWS = 100_000
Search = Callable[[np.ndarray], np.ndarray]


class Missing(Exception):
    """The library is not installed, or the index was not built."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Hold an index that is ready to answer."""

    search: Search
    """Takes one (dim,) float32 query, gives up to K chunk ids."""
    set_effort: Callable[[Any], Any] = lambda effort: None


@dataclass(frozen=True, slots=True)
class Rival:
    """Say how to build and open an index, and how hard it may be made to look."""

    build: Callable[[np.ndarray, Path], None]
    open: Callable[[np.ndarray, Path], Opened]
    efforts: tuple[int | str, ...] = (0,)
    """Rising; a comparison takes the first that reaches its recall."""
    is_slow: bool = False


@dataclass(frozen=True, slots=True)
class Made:
    """Hold what an index took to build."""

    build_s: float
    size_mb: float
    load: float
    """Load average at the end: what else the machine did."""


def made(name: str, rival: Rival, stored: np.ndarray, work: Path, *, slow: bool) -> Made:
    """Build an index unless the work folder has it.

    Raises:
        Missing: it is not there, and it may not or cannot be built.
    """
    path = path_of(name, work)
    facts = path.with_suffix(".json")
    if facts.exists():
        return Made(**json.loads(facts.read_text()))
    if rival.is_slow and not slow:
        raise Missing("left out: it takes too long to build at this size")
    started = time.perf_counter()
    rival.build(stored, path)
    build_s = time.perf_counter() - started
    found = Made(build_s, _num_bytes(path) / 1e6, os.getloadavg()[0])
    facts.write_text(json.dumps(asdict(found)))
    return found


def path_of(name: str, work: Path) -> Path:
    """Return where an index lies."""
    return work / f"{''.join(c if c.isalnum() else '-' for c in name)}.index"


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Missing(f"not installed: {error}") from error


def _num_bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _num_threads() -> int:
    return int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1)


def _numpy_build(stored: np.ndarray, path: Path) -> None:
    path.touch()


def _numpy_open(stored: np.ndarray, path: Path) -> Opened:
    return Opened(lambda query: np.argpartition(-(stored @ query), K)[:K] + 1)


def _faiss_build(spec: str, stored: np.ndarray, path: Path) -> None:
    faiss = _library("faiss")
    faiss.omp_set_num_threads(os.cpu_count() or 1)
    lists = 1 << round(np.log2(len(stored)) / 2)
    index = faiss.index_factory(
        stored.shape[1], spec.format(lists=lists, dim=stored.shape[1]), faiss.METRIC_INNER_PRODUCT
    )
    if "PQ" in spec:
        # Otherwise learning alone takes minutes.
        index.pq.cp.niter, index.pq.cp.max_points_per_centroid = 6, 64
    if hasattr(index, "hnsw"):
        index.hnsw.efConstruction = 100
    step = max(1, len(stored) // (lists * 64))
    index.train(np.ascontiguousarray(stored[::step]))
    for start in range(0, len(stored), _BLOCK_ROWS):
        index.add(np.ascontiguousarray(stored[start : start + _BLOCK_ROWS]))
    faiss.write_index(index, str(path))


def _faiss_open(knob: str, stored: np.ndarray, path: Path) -> Opened:
    faiss = _library("faiss")
    faiss.omp_set_num_threads(_num_threads())
    index = faiss.read_index(str(path))
    return Opened(
        lambda query: index.search(query[None], K)[1][0] + 1,
        lambda effort: (
            knob
            and faiss.ParameterSpace().set_index_parameters(
                index, f"{knob}={effort}" if isinstance(effort, int) else effort
            )
        ),
    )


def _faiss(spec: str, knob: str = "", **others: Any) -> Rival:
    return Rival(partial(_faiss_build, spec), partial(_faiss_open, knob), **others)


def _usearch(dim: int) -> Any:
    return _library("usearch.index").Index(ndim=dim, metric="ip", dtype="f16", connectivity=16)


def _usearch_build(stored: np.ndarray, path: Path) -> None:
    index = _usearch(stored.shape[1])
    for start in range(0, len(stored), _BLOCK_ROWS):
        block = np.ascontiguousarray(stored[start : start + _BLOCK_ROWS])
        index.add(np.arange(start + 1, start + 1 + len(block)), block)
    index.save(str(path))


def _usearch_open(stored: np.ndarray, path: Path) -> Opened:
    index = _usearch(stored.shape[1])
    index.load(str(path))

    def set_effort(effort: int) -> None:
        index.expansion_search = effort

    return Opened(lambda query: np.asarray(index.search(query, K).keys), set_effort)


def _hnswlib_build(stored: np.ndarray, path: Path) -> None:
    index = _library("hnswlib").Index(space="ip", dim=stored.shape[1])
    index.init_index(max_elements=len(stored), ef_construction=100, M=16)
    index.add_items(stored, np.arange(1, len(stored) + 1))
    index.save_index(str(path))


def _hnswlib_open(stored: np.ndarray, path: Path) -> Opened:
    index = _library("hnswlib").Index(space="ip", dim=stored.shape[1])
    index.load_index(str(path))
    index.set_num_threads(_num_threads())
    return Opened(lambda query: index.knn_query(query, K)[0][0], index.set_ef)


def _lancedb_build(stored: np.ndarray, path: Path) -> None:
    import pyarrow as pa

    flat = pa.FixedSizeListArray.from_arrays(
        pa.array(np.array(stored).reshape(-1)), stored.shape[1]
    )
    table = (
        _library("lancedb")
        .connect(str(path))
        .create_table(
            "vectors",
            pa.table({"id": np.arange(1, len(stored) + 1), "vector": flat}),
            mode="overwrite",
        )
    )
    table.create_index(metric="dot", index_type="IVF_PQ")


def _lancedb_open(stored: np.ndarray, path: Path) -> Opened:
    table = _library("lancedb").connect(str(path)).open_table("vectors")
    effort = [1]

    def search(query: np.ndarray) -> np.ndarray:
        asked = table.search(query).distance_type("dot").nprobes(effort[0]).refine_factor(30)
        return np.asarray(asked.limit(K).to_arrow()["id"])

    return Opened(search, lambda wanted: effort.__setitem__(0, wanted))


_PROBES = (16, 32, 64, 96, 128, 192, 256, 512)
_REFINED = tuple(
    f"nprobe={probes},k_factor_rf={times}"
    for probes in (32, 64, 96, 128, 192, 256)
    for times in (20, 40, 80, 160)
)
"""How many lists, and how many times as many are scored again as are asked for."""
_EXPANSIONS = (32, 64, 128, 192, 256, 384, 512, 768, 1024)

RIVALS: dict[str, Rival] = {
    "numpy, every vector": Rival(_numpy_build, _numpy_open),
    "faiss Flat": _faiss("Flat"),
    "faiss IVF,SQ8": _faiss("IVF{lists},SQ8", "nprobe", efforts=_PROBES),
    "faiss IVF,PQ64": _faiss("IVF{lists},PQ64", "nprobe", efforts=(128,), is_slow=True),
    "faiss IVF,RaBitQ refine Flat": _faiss(
        "RR{dim},IVF{lists},RaBitQ,RFlat", "nprobe", efforts=_REFINED
    ),
    "faiss IVF,RaBitQ refine SQ8": _faiss(
        "RR{dim},IVF{lists},RaBitQ,Refine(SQ8)", "nprobe", efforts=_REFINED
    ),
    "faiss IVF,RaBitQfs refine SQ8": _faiss(
        "RR{dim},IVF{lists},RaBitQfs,Refine(SQ8)", "nprobe", efforts=_REFINED
    ),
    "faiss IVF,RaBitQ4": _faiss("RR{dim},IVF{lists},RaBitQ4", "nprobe", efforts=_PROBES),
    "faiss HNSW16": _faiss("HNSW16", "efSearch", efforts=_EXPANSIONS, is_slow=True),
    "faiss HNSW16,SQ8": _faiss("HNSW16_SQ8", "efSearch", efforts=_EXPANSIONS, is_slow=True),
    "usearch HNSW f16": Rival(_usearch_build, _usearch_open, _EXPANSIONS, is_slow=True),
    "hnswlib M16": Rival(_hnswlib_build, _hnswlib_open, _EXPANSIONS, is_slow=True),
    "lancedb IVF_PQ refine 30": Rival(_lancedb_build, _lancedb_open, _PROBES, is_slow=True),
}
"""What to compare with."""
