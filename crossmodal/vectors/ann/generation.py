"""Open one generation of codes, memory-mapped from the folder beside the collection."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crossmodal.ledger.write.model_versions import table_of
from crossmodal.records import VectorList
from crossmodal.vectors.ann.files import (
    CodesDamaged,
    Manifest,
    SegmentFiles,
    map_arrays,
    read_manifest,
)
from crossmodal.vectors.ann.layout import views_by_list
from crossmodal.vectors.ann.quantiser import Basis, num_words

# Codes and residuals are twenty times as long: a row's are checked whenever it is scored.
_CHECKED_ON_OPENING = ("starts", "bits", "steps")


@dataclass(frozen=True, slots=True)
class Segment:
    """Hold n coded vectors, sorted by list."""

    starts: np.ndarray
    """(num_lists + 1,) int64: the offset of each list, and the end of the last."""
    bits: np.ndarray
    """(n * num_words,) uint64 in the column layout (see ``layout``)."""
    bits_by_list: tuple[np.ndarray, ...]
    """(num_words, m) uint64 for each list: views of ``bits``."""
    steps: np.ndarray
    """(n,) float32."""
    codes: np.ndarray
    """(n, dim) int8."""
    residuals: np.ndarray
    """(n, dim) int16."""
    checksums: np.ndarray
    """(n,) uint32: CRC-32 of each row's scale, codes and residuals."""
    ids: np.ndarray
    """(n,) int64: chunk ids; -1 for a vector that was deleted."""
    sizes: np.ndarray
    """(num_lists,) int64: live rows per list."""

    @property
    def num_rows(self) -> int:
        """Return the number of rows, deleted ones included."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class OpenCodes:
    """Hold the opened codes of one vector list."""

    manifest: Manifest
    basis: Basis
    segments: tuple[Segment, ...]


def folder_of(collection: Path, vectors: VectorList) -> Path:
    """Return the folder of a list's codes: ``<collection>.codes/<table>``."""
    return Path(f"{os.fspath(collection)}.codes") / table_of(vectors)


def open_codes(
    folder: Path, token: str, vectors: VectorList, *, thorough: bool = False
) -> OpenCodes:
    """Memory-map the generation ``token``; ``thorough`` verifies every checksum.

    Raises:
        CodesDamaged: a file is missing, damaged, or made for other vectors.
    """
    manifest = read_manifest(folder, token)
    if manifest.fingerprint != fingerprint_of(vectors):
        raise CodesDamaged(f"the codes in {folder} were made for another model version")
    basis = _basis(folder, manifest, vectors.version.dim)
    checked = None if thorough else _CHECKED_ON_OPENING
    segments = tuple(_segment(folder, part, basis, checked) for part in manifest.segments)
    return OpenCodes(manifest, basis, segments)


def fingerprint_of(vectors: VectorList) -> str:
    """Return the key of the vectors that codes belong to."""
    return f"{vectors.version.fingerprint}|{vectors.modality}"


def _basis(folder: Path, manifest: Manifest, dim: int) -> Basis:
    arrays = map_arrays(folder, manifest.basis)
    names = ("mean", "rotation", "centres")
    mean, rotation, centres = (_as(arrays, name, np.float32) for name in names)
    if mean.shape != (dim,) or rotation.shape != (dim, dim) or centres.shape[1:] != (dim,):
        raise CodesDamaged(f"{manifest.basis.name} is for vectors of another width than {dim}")
    return Basis(mean, rotation, centres, manifest.gain)


def _segment(
    folder: Path, files: SegmentFiles, basis: Basis, checked: tuple[str, ...] | None
) -> Segment:
    arrays = map_arrays(folder, files.codes, checked)
    starts, bits = _as(arrays, "starts", np.int64), _as(arrays, "bits", np.uint64)
    steps, checksums = _as(arrays, "steps", np.float32), _as(arrays, "checksums", np.uint32)
    codes, residuals = _as(arrays, "codes", np.int8), _as(arrays, "rests", np.int16)
    ids = _as(map_arrays(folder, files.ids), "ids", np.int64)
    num_rows = files.num_rows
    fit = (
        bits.shape == (num_rows * num_words(basis.dim),)
        and all(part.shape == (num_rows,) for part in (steps, checksums, ids))
        and all(part.shape == (num_rows, basis.dim) for part in (codes, residuals))
    )
    sound = len(starts) == basis.num_lists + 1 and starts[0] == 0 and starts[-1] == num_rows
    live = ids >= 0
    if (
        not fit
        or not sound
        or bool((np.diff(starts) < 0).any())
        or np.count_nonzero(live) != files.num_live
    ):
        raise CodesDamaged(f"{files.codes.name} does not have the shape that its manifest says")
    return Segment(
        starts=starts,
        bits=bits,
        bits_by_list=views_by_list(bits, starts, num_words(basis.dim)),
        steps=steps,
        codes=codes,
        residuals=residuals,
        checksums=checksums,
        ids=ids,
        sizes=counted(starts, live),
    )


def counted(starts: np.ndarray, counting: np.ndarray) -> np.ndarray:
    """Return (num_lists,) int64: the number of True rows per list of an (n,) bool mask."""
    return np.diff(np.concatenate([[0], np.cumsum(counting)])[starts])


def _as(arrays: dict[str, np.ndarray], name: str, dtype: type) -> np.ndarray:
    if name not in arrays or arrays[name].dtype != dtype:
        raise CodesDamaged(f"the codes have no {name} of type {np.dtype(dtype)}")
    return arrays[name]
