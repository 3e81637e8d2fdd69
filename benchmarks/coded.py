"""Open codes that lie beside no collection, and measure how well and how fast they find."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.search_collection import made_up_version
from benchmarks.truth import K, share_found
from crossmodal.records import VectorList
from crossmodal.vectors.ann.files import SegmentFiles, write_manifest
from crossmodal.vectors.ann.generation import OpenCodes, open_codes
from crossmodal.vectors.ann.quantiser import Basis
from crossmodal.vectors.ann.scan import Effort, candidates
from crossmodal.vectors.ann.update import first_manifest

_LOOKED_AT = 26


@dataclass(frozen=True, slots=True)
class Row:
    """Hold the figures of one effort."""

    effort: Effort
    p50_ms: float
    p95_ms: float
    recall: float
    recall_foreign: float
    """Of the second half of the queries, which come from another modality."""

    @property
    def recall_all(self) -> float:
        """Return the recall of all queries."""
        return (self.recall + self.recall_foreign) / 2


def opened(folder: Path, basis: Basis, segments: Sequence[SegmentFiles], num: int) -> OpenCodes:
    """Return the codes of vectors 1 to ``num``, whose segments lie in a folder."""
    vectors = VectorList(replace(made_up_version(basis.dim), id=1), "image")
    manifest = first_manifest(folder, vectors, basis, num)
    manifest = replace(manifest, covered_seq=num, segments=tuple(segments))
    write_manifest(folder, manifest)
    return open_codes(folder, manifest.token, vectors)


def measured(codes: OpenCodes, effort: Effort, queries: np.ndarray, truth: np.ndarray) -> Row:
    """Ask (n, dim) queries one by one, whose exact answers are the (n, K) ids of ``truth``."""
    times, found = [], []
    for i in [0, len(queries) - 1, *range(len(queries))]:
        started = time.perf_counter()
        ids = candidates(codes, queries[i], effort).closest(_LOOKED_AT).chunk_ids[:K]
        times.append((time.perf_counter() - started) * 1000)
        found.append(share_found(ids, truth[i]))
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
