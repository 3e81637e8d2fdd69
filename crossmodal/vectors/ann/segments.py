"""Write, merge and compact segments: files of coded vectors, sorted by inverted list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from crossmodal.vectors.ann.files import ArrayFile, Blocks, SegmentFiles, map_arrays, write_arrays
from crossmodal.vectors.ann.generation import OpenCodes
from crossmodal.vectors.ann.layout import checksum, from_columns, to_columns
from crossmodal.vectors.ann.quantiser import Basis, Coded

_BLOCK_ROWS = 16_384


class SegmentBuilder:
    """Collect coded vectors and write them as one segment."""

    def __init__(self, basis: Basis) -> None:
        self._basis = basis
        self._ids: list[np.ndarray] = []
        self._parts: list[Coded] = []

    def add(self, chunk_ids: np.ndarray, coded: Coded) -> None:
        """Add (n,) int64 ids and their codes."""
        self._ids.append(chunk_ids)
        self._parts.append(coded)

    def write(self, folder: Path) -> list[SegmentFiles]:
        """Write one segment; return an empty list if nothing was added."""
        if not self._parts:
            return []
        lists = np.concatenate([part.lists for part in self._parts])
        order = np.argsort(lists, kind="stable")
        sizes = np.bincount(lists, minlength=self._basis.num_lists)
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        bits = np.concatenate([part.bits for part in self._parts])[order]
        shape = (len(order), self._basis.dim)
        arrays: dict[str, np.ndarray | Blocks] = {
            "starts": starts,
            "bits": to_columns(bits, starts),
            "steps": np.concatenate([part.steps for part in self._parts])[order],
            "checksums": np.concatenate([_checksums(part) for part in self._parts])[order],
            "codes": Blocks(shape, np.int8, _sorted([p.codes for p in self._parts], order)),
            "rests": Blocks(shape, np.int16, _sorted([p.residuals for p in self._parts], order)),
        }
        ids = np.concatenate(self._ids)[order]
        files = write_arrays(folder, "segment", arrays)
        return [
            SegmentFiles(
                codes=files, ids=_write_ids(folder, ids), num_rows=len(ids), num_live=len(ids)
            )
        ]


def forget(folder: Path, codes: OpenCodes, still: np.ndarray) -> list[SegmentFiles]:
    """Return the segments with all vectors marked as deleted whose ids are not in ``still``.

    ``still`` is (n,) int64: the ids that are stored and covered by the codes.
    """
    there = np.sort(still)
    kept = []
    for files, segment in zip(codes.manifest.segments, codes.segments, strict=True):
        ids = np.where(_in(segment.ids, there), segment.ids, -1)
        num_live = int(np.count_nonzero(ids >= 0))
        if num_live == 0:
            continue
        if num_live < files.num_live:
            files = replace(files, ids=_write_ids(folder, ids), num_live=num_live)
        kept.append(files)
    return kept


def merge(folder: Path, group: Sequence[SegmentFiles], basis: Basis) -> list[SegmentFiles]:
    """Write the live vectors of several segments as one segment.

    Raises:
        CodesDamaged: a checksum does not match.
    """
    builder = SegmentBuilder(basis)
    for files in group:
        arrays = map_arrays(folder, files.codes)
        ids = map_arrays(folder, files.ids)["ids"]
        live = np.flatnonzero(ids >= 0)
        lists = np.repeat(np.arange(basis.num_lists, dtype=np.int32), np.diff(arrays["starts"]))
        coded = Coded(
            lists[live],
            from_columns(arrays["bits"], arrays["starts"], basis.num_words)[live],
            arrays["steps"][live],
            arrays["codes"][live],
            arrays["rests"][live],
        )
        builder.add(ids[live], coded)
    return builder.write(folder)


def _checksums(coded: Coded) -> np.ndarray:
    """Return (n,) uint32."""
    rows = zip(coded.codes, coded.residuals, coded.steps, strict=True)
    return np.array([checksum(*row) for row in rows], dtype=np.uint32)


def _sorted(parts: Sequence[np.ndarray], order: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the rows of all parts in this order, in blocks, so that no second copy is in memory."""
    starts = np.cumsum([0, *map(len, parts)])
    for first in range(0, len(order), _BLOCK_ROWS):
        wanted = order[first : first + _BLOCK_ROWS]
        number = np.searchsorted(starts, wanted, side="right") - 1
        block = np.empty((len(wanted), parts[0].shape[1]), parts[0].dtype)
        for i in np.unique(number):
            here = number == i
            block[here] = parts[i][wanted[here] - starts[i]]
        yield block


def _write_ids(folder: Path, ids: np.ndarray) -> ArrayFile:
    return write_arrays(folder, "ids", {"ids": ids.astype(np.int64)})


def _in(values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return (n,) bool: membership of each value in a sorted array."""
    if not len(there):
        return np.zeros(len(values), dtype=bool)
    at = np.minimum(np.searchsorted(there, values), len(there) - 1)
    return np.asarray(there[at] == values)
