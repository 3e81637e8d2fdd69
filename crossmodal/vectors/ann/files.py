"""Write and read the files that codes live in: written once, checked, mapped into memory.

A file is raw arrays one after another, each beginning on a page; the manifest, a small JSON file,
says which files belong together, how long each array is and what its checksum is. Nothing in here
is trusted on reading: a file of the wrong size or checksum raises ``CodesDamaged``, and no number
from one can lead outside an array.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
import zlib
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

FORMAT = 2
_PAGE_BYTES = 4096
_CHECK_BYTES = 1 << 24


class CodesDamaged(Exception):
    """The files are not what their manifest says; the codes have to be built again."""


@dataclass(frozen=True, slots=True)
class Array:
    """Say where an array lies in its file."""

    dtype: str
    shape: tuple[int, ...]
    offset: int
    crc: int

    @property
    def num_bytes(self) -> int:
        """Return the array's length."""
        return int(np.dtype(self.dtype).itemsize * np.prod(self.shape, dtype=np.int64))


@dataclass(frozen=True, slots=True)
class Blocks:
    """Hold an array that is too long to have in memory at once."""

    shape: tuple[int, ...]
    dtype: type
    blocks: Iterable[np.ndarray]
    """One after another."""


@dataclass(frozen=True, slots=True)
class ArrayFile:
    """Name a file and its arrays."""

    name: str
    arrays: Mapping[str, Array]

    @property
    def num_bytes(self) -> int:
        """Return the length of all its arrays."""
        return sum(array.num_bytes for array in self.arrays.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentFiles:
    """Name the files of one segment: its codes, and apart from them the chunk ids."""

    codes: ArrayFile
    ids: ArrayFile
    """Rewritten when vectors are deleted: the id of a deleted one is -1."""
    num_rows: int
    num_live: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Say what one generation of codes consists of."""

    token: str
    fingerprint: str
    """Of the model version, and the modality."""
    covered_seq: int
    """Every vector up to this one is in, unless it was deleted before the codes were made."""
    num_trained: int
    """Vectors there were when the basis was learnt."""
    gain: float
    basis: ArrayFile
    segments: tuple[SegmentFiles, ...]

    @property
    def num_live(self) -> int:
        """Return how many vectors are in that were not known to be deleted."""
        return sum(segment.num_live for segment in self.segments)

    @property
    def num_rows(self) -> int:
        """Return how many vectors take room, deleted ones included."""
        return sum(segment.num_rows for segment in self.segments)

    @property
    def file_names(self) -> set[str]:
        """Return every file that belongs to this generation, its manifest included."""
        parts = [self.basis, *(file for s in self.segments for file in (s.codes, s.ids))]
        return {manifest_name(self.token), *(part.name for part in parts)}


def manifest_name(token: str) -> str:
    """Return the name of a generation's manifest."""
    return f"manifest-{token}.json"


def new_token() -> str:
    """Return a name that nothing had before."""
    return uuid.uuid4().hex


def write_arrays(folder: Path, kind: str, arrays: Mapping[str, np.ndarray | Blocks]) -> ArrayFile:
    """Write arrays into a new file, which appears whole or not at all."""
    name = f"{kind}-{new_token()}.bin"
    described: dict[str, Array] = {}
    part = folder / f"{name}.part"
    with part.open("wb") as file:
        for key, values in arrays.items():
            offset = -(-file.tell() // _PAGE_BYTES) * _PAGE_BYTES
            file.seek(offset)
            crc = 0
            for block in [values] if isinstance(values, np.ndarray) else values.blocks:
                block = np.ascontiguousarray(block)
                crc = _crc(block, crc)
                file.write(block.data)
            described[key] = Array(np.dtype(values.dtype).str, values.shape, offset, crc)
        file.truncate()
        _publish(file.fileno(), part, folder / name)
    return ArrayFile(name, described)


def map_arrays(
    folder: Path, file: ArrayFile, checked: tuple[str, ...] | None = None
) -> dict[str, np.ndarray]:
    """Map a file's arrays, read-only; those named in ``checked`` (None: all) are read and checked.

    Raises:
        CodesDamaged: the file is missing, of the wrong size, or an array is not what was written.
    """
    try:
        raw = np.memmap(folder / file.name, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise CodesDamaged(f"{file.name} cannot be read: {error}") from error
    mapped = {}
    for key, array in file.arrays.items():
        if array.offset + array.num_bytes > len(raw):
            raise CodesDamaged(f"{file.name} is cut off: it has {len(raw)} bytes")
        part = raw[array.offset : array.offset + array.num_bytes]
        if (checked is None or key in checked) and _crc(part) != array.crc:
            raise CodesDamaged(f"{file.name}: the checksum of its {key} is wrong")
        mapped[key] = np.ndarray(array.shape, array.dtype, buffer=part)
    return mapped


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a manifest, which appears whole or not at all, after everything it names."""
    body = json.dumps(asdict(manifest), sort_keys=True)
    text = json.dumps({"format": FORMAT, "sha256": _digest(body), "manifest": body})
    path = folder / manifest_name(manifest.token)
    part = path.with_suffix(".part")
    with part.open("w") as file:
        file.write(text)
        file.flush()
        _publish(file.fileno(), part, path)


def read_manifest(folder: Path, token: str) -> Manifest:
    """Return the manifest of a generation.

    Raises:
        CodesDamaged: it is missing, of another format, not what was written, or its files were
            found damaged.
    """
    if is_marked_damaged(folder, token):
        raise CodesDamaged("a search found the codes damaged")
    try:
        outer = json.loads((folder / manifest_name(token)).read_bytes())
        body = outer["manifest"]
        if outer["format"] != FORMAT or outer["sha256"] != _digest(body):
            raise CodesDamaged(f"{manifest_name(token)} is of another format, or was changed")
        return _manifest(json.loads(body))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CodesDamaged(f"{manifest_name(token)} cannot be read: {error}") from error


def mark_damaged(folder: Path, token: str) -> None:
    """Note that a generation was found damaged, where the folder can be written."""
    with suppress(OSError):
        _damage_note(folder, token).touch()


def is_marked_damaged(folder: Path, token: str) -> bool:
    """Say whether a generation was found damaged."""
    return _damage_note(folder, token).exists()


def _damage_note(folder: Path, token: str) -> Path:
    return folder / f"damaged-{token}.json"


def sweep(folder: Path, keep: set[str]) -> None:
    """Remove every codes file that is not in ``keep``: old generations, leftovers of a crash."""
    for path in folder.iterdir():
        if path.name not in keep and path.suffix in (".bin", ".json", ".part"):
            path.unlink(missing_ok=True)


def _publish(descriptor: int, part: Path, path: Path) -> None:
    os.fsync(descriptor)
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _manifest(body: dict[str, Any]) -> Manifest:
    segments = tuple(
        SegmentFiles(**{**part, "codes": file_of(part["codes"]), "ids": file_of(part["ids"])})
        for part in body["segments"]
    )
    return Manifest(**{**body, "basis": file_of(body["basis"]), "segments": segments})


def file_of(body: Mapping[str, Any]) -> ArrayFile:
    """Return the description of a file that ``dataclasses.asdict`` made a dictionary."""
    arrays = {k: Array(**{**a, "shape": tuple(a["shape"])}) for k, a in body["arrays"].items()}
    return ArrayFile(Path(body["name"]).name, arrays)


def _digest(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _crc(values: np.ndarray, crc: int = 0) -> int:
    """Return the CRC-32, taken in pieces so that other threads are let in."""
    flat = values.reshape(-1).view(np.uint8)
    for start in range(0, len(flat), _CHECK_BYTES):
        crc = zlib.crc32(flat[start : start + _CHECK_BYTES].data, crc)
    return crc
