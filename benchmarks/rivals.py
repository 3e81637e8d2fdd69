"""Build other people's vector indexes for the search benchmark; each answers with chunk ids."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

K = 10
Search = Callable[[np.ndarray], np.ndarray]
Built = tuple[Search, float]
"""A search for one (dim,) query, and the index's size in MB."""


class Missing(Exception):
    """The library is not installed."""


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Missing(f"not installed: {error}") from error


def numpy_flat(stored: np.ndarray, work: Path) -> Built:
    """Multiply with every vector."""

    def search(query: np.ndarray) -> np.ndarray:
        scores = stored @ query
        return np.argpartition(-scores, K)[:K] + 1

    return search, stored.nbytes / 1e6


def _faiss(spec: str, **params: Any) -> Callable[[np.ndarray, Path], Built]:
    def build(stored: np.ndarray, work: Path) -> Built:
        faiss = _library("faiss")
        faiss.omp_set_num_threads(int(os.environ.get("OMP_NUM_THREADS") or os.cpu_count() or 1))
        lists = 1 << round(np.log2(len(stored)) / 2)
        index = faiss.index_factory(
            stored.shape[1], spec.format(lists=lists), faiss.METRIC_INNER_PRODUCT
        )
        if "PQ" in spec:
            # Otherwise learning alone takes minutes.
            index.pq.cp.niter, index.pq.cp.max_points_per_centroid = 6, 64
        step = max(1, len(stored) // (lists * 64))
        index.train(np.ascontiguousarray(stored[::step]))
        for start in range(0, len(stored), 100_000):
            index.add(np.ascontiguousarray(stored[start : start + 100_000]))
        for name, value in params.items():
            faiss.ParameterSpace().set_index_parameter(index, name, value)
        path = work / "rival.faiss"
        faiss.write_index(index, str(path))
        size_mb = path.stat().st_size / 1e6
        path.unlink()
        return lambda query: index.search(query[None], K)[1][0] + 1, size_mb

    return build


def usearch_hnsw(stored: np.ndarray, work: Path) -> Built:
    """Build usearch's graph of half-precision vectors."""
    module = _library("usearch.index")
    index = module.Index(
        ndim=stored.shape[1], metric="ip", dtype="f16", connectivity=16, expansion_search=128
    )
    index.add(np.arange(1, len(stored) + 1), np.ascontiguousarray(stored))
    size_mb = index.serialized_length / 1e6
    return lambda query: np.asarray(index.search(query, K).keys), size_mb


def hnswlib_graph(stored: np.ndarray, work: Path) -> Built:
    """Build hnswlib's graph."""
    index = _library("hnswlib").Index(space="ip", dim=stored.shape[1])
    index.init_index(max_elements=len(stored), ef_construction=100, M=16)
    index.add_items(stored, np.arange(1, len(stored) + 1))
    index.set_ef(128)
    return lambda query: index.knn_query(query, K)[0][0], index.index_file_size() / 1e6


def lancedb_ivf(stored: np.ndarray, work: Path) -> Built:
    """Build LanceDB's inverted lists with product codes, refined."""
    import pyarrow as pa

    lancedb = _library("lancedb")
    flat = pa.FixedSizeListArray.from_arrays(
        pa.array(np.array(stored).reshape(-1)), stored.shape[1]
    )
    table = lancedb.connect(str(work / "lance")).create_table(
        "vectors",
        pa.table({"id": np.arange(1, len(stored) + 1), "vector": flat}),
        mode="overwrite",
    )
    table.create_index(metric="dot", index_type="IVF_PQ")
    files = [path for path in (work / "lance").rglob("*") if path.is_file()]

    def search(query: np.ndarray) -> np.ndarray:
        found = table.search(query).distance_type("dot").nprobes(64).refine_factor(30).limit(K)
        return np.asarray(found.to_arrow()["id"])

    return search, sum(path.stat().st_size for path in files) / 1e6


RIVALS: dict[str, tuple[Callable[[np.ndarray, Path], Built], bool]] = {
    "numpy, every vector": (numpy_flat, False),
    "faiss Flat": (_faiss("Flat"), False),
    "faiss IVF,SQ8 nprobe 128": (_faiss("IVF{lists},SQ8", nprobe=128), False),
    "faiss IVF,PQ64 nprobe 128": (_faiss("IVF{lists},PQ64", nprobe=128), True),
    "faiss HNSW16 ef 128": (_faiss("HNSW16", efSearch=128), True),
    "usearch HNSW f16 ef 128": (usearch_hnsw, True),
    "hnswlib M16 ef 128": (hnswlib_graph, True),
    "lancedb IVF_PQ nprobes 64 refine 30": (lancedb_ivf, True),
}
"""What to compare with, and whether it takes long to build."""
