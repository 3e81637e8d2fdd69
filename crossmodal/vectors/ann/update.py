"""Bring the codes of a list up to date with DuckDB: add, delete, merge, or rebuild.

New files are written first; one transaction then names the new manifest, and only after that are
old files removed. A process killed at any point leaves either the old codes or the new ones.
Vectors are read in short transactions, so that writers are not blocked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.lock import exclusive
from crossmodal.ledger.private import as_private_as
from crossmodal.ledger.read.stored_vectors import num_vectors
from crossmodal.ledger.write.ann_generations import (
    Live,
    Valid,
    drop_codes,
    live_vectors,
    put_codes,
    valid_codes,
)
from crossmodal.records import VectorList
from crossmodal.vectors.ann.files import (
    CodesDamaged,
    Manifest,
    SegmentFiles,
    new_token,
    sweep,
    write_arrays,
    write_manifest,
)
from crossmodal.vectors.ann.generation import OpenCodes, fingerprint_of, folder_of, open_codes
from crossmodal.vectors.ann.quantiser import Basis, encode, learn, lists_for, sample_size
from crossmodal.vectors.ann.reading import vector_blocks
from crossmodal.vectors.ann.segments import SegmentBuilder, forget, merge

MIN_CODED = 50_000
"""Below this number of vectors no codes are built: exact search answers in 40 ms (codes: 2 ms)."""
_TURN_ROWS = 65_536
_SEGMENT_ROWS = 1_048_576
_RELEARN_GROWTH = 2
_MAX_SMALL = 6
_MAX_DEAD_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class CodesUpdate:
    """Report what an update did to the codes of a list."""

    action: str
    """none (too few vectors), current, updated, built, or failed."""
    num_added: int = 0
    num_forgotten: int = 0
    num_vectors: int = 0
    size_bytes: int = 0
    detail: str = ""
    """Why the codes were rebuilt, or why that failed."""


def update_codes(
    collection: Collection, vectors: VectorList, min_vectors: int = MIN_CODED
) -> CodesUpdate:
    """Bring the codes of a list in step with its vectors; drop them if the list is short.

    A second process that updates the same list waits for the first. A full disk or a folder that
    cannot be written is no error: searches stay exact, and ``detail`` says why.

    Raises:
        CollectionBusy: another update, or a writer, took too long.
    """
    folder = folder_of(collection.path, vectors)
    with collection.read() as con:
        num_stored = num_vectors(con, vectors)
        valid = valid_codes(con, vectors)
    # Hysteresis: existing codes are dropped only below half the limit.
    if num_stored < max(1, min_vectors if valid is None else min_vectors // 2):
        if valid is not None:
            _drop(collection, vectors, folder)
        return CodesUpdate(action="none")
    try:
        with as_private_as(collection.path):
            folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / "update", collection.lock_timeout_s):
            return _update(collection, vectors, folder)
    except OSError as error:
        return CodesUpdate(action="failed", detail=f"cannot write codes to {folder}: {error}")


def _drop(collection: Collection, vectors: VectorList, folder: Path) -> None:
    with collection.write() as con:
        drop_codes(con, vectors)
    if folder.is_dir():
        sweep(folder, keep=set())


def _update(collection: Collection, vectors: VectorList, folder: Path) -> CodesUpdate:
    with collection.read() as con:
        live = live_vectors(con, vectors)
        valid = valid_codes(con, vectors)
    detail = "there were none"
    if valid is not None:
        try:
            old = open_codes(folder, valid.token, vectors)
            if len(live.seqs) <= _RELEARN_GROWTH * old.manifest.num_trained:
                return _extend(collection, vectors, folder, old, live, "")
            detail = f"vectors grew from {old.manifest.num_trained} to {len(live.seqs)}"
        except CodesDamaged as error:
            detail = str(error)
    basis = _learn(collection, vectors, len(live.seqs))
    manifest = first_manifest(folder, vectors, basis, len(live.seqs))
    return _extend(collection, vectors, folder, OpenCodes(manifest, basis, ()), live, detail)


def _extend(
    collection: Collection,
    vectors: VectorList,
    folder: Path,
    old: OpenCodes,
    live: Live,
    detail: str,
) -> CodesUpdate:
    """Write a generation that covers all live vectors, and publish it."""
    num_old = old.manifest.num_live
    still = live.chunk_ids[live.seqs <= old.manifest.covered_seq]
    segments = forget(folder, old, still)
    added = _encode_new(collection, vectors, folder, old, live)
    manifest = replace(
        old.manifest,
        token=new_token(),
        covered_seq=live.last_seq,
        segments=(*segments, *added),
    )
    result = CodesUpdate(
        action="built" if detail else "updated",
        num_added=sum(segment.num_live for segment in added),
        num_forgotten=num_old - sum(segment.num_live for segment in segments),
        num_vectors=manifest.num_live,
        detail=detail,
    )
    if not detail and not added and result.num_forgotten == 0:
        sweep(folder, keep=old.manifest.file_names)
        size_bytes = _size_bytes(folder, old.manifest)
        return replace(result, action="current", size_bytes=size_bytes)
    manifest = _tidy(folder, manifest, old.basis)
    write_manifest(folder, manifest)
    with collection.write() as con:
        put_codes(con, vectors, _valid(manifest))
    sweep(folder, keep=manifest.file_names)
    return replace(result, size_bytes=_size_bytes(folder, manifest))


def _valid(manifest: Manifest) -> Valid:
    """Return the ledger's record of a generation that was not audited yet."""
    return Valid(
        manifest.token, manifest.basis.name, manifest.covered_seq, manifest.num_live, audit=None
    )


def _learn(collection: Collection, vectors: VectorList, num_live: int) -> Basis:
    """Learn the basis from a uniform sample of the list."""
    one_in = max(1, num_live // sample_size(num_live))
    with collection.read() as con:
        blocks = list(
            vector_blocks(con, vectors, "hash(chunk_id) % $one_in = 0", {"one_in": one_in})
        )
    sample = np.concatenate([block for _, block in blocks])
    return learn(sample, lists_for(num_live))


def first_manifest(folder: Path, vectors: VectorList, basis: Basis, num_trained: int) -> Manifest:
    """Write a basis; return an unwritten manifest without segments."""
    arrays = {"mean": basis.mean, "rotation": basis.rotation, "centres": basis.centres}
    return Manifest(
        token=new_token(),
        fingerprint=fingerprint_of(vectors),
        covered_seq=0,
        num_trained=num_trained,
        gain=basis.gain,
        basis=write_arrays(folder, "basis", arrays),
        segments=(),
    )


def _encode_new(
    collection: Collection, vectors: VectorList, folder: Path, old: OpenCodes, live: Live
) -> list[SegmentFiles]:
    """Write segments for the vectors that are newer than the old codes."""
    new = live.seqs[live.seqs > old.manifest.covered_seq]
    segments = []
    for first in range(0, len(new), _SEGMENT_ROWS):
        builder = SegmentBuilder(old.basis)
        part = new[first : first + _SEGMENT_ROWS]
        for start in range(0, len(part), _TURN_ROWS):
            turn = part[start : start + _TURN_ROWS]
            between = {"first": int(turn[0]), "last": int(turn[-1])}
            with collection.read() as con:
                blocks = list(vector_blocks(con, vectors, "seq BETWEEN $first AND $last", between))
            for chunk_ids, block in blocks:
                builder.add(chunk_ids, encode(old.basis, block))
        segments += builder.write(folder)
    return segments


def _tidy(folder: Path, manifest: Manifest, basis: Basis) -> Manifest:
    """Merge segments if many are small, and compact those with many deleted rows."""
    parts = manifest.segments
    small = [part for part in parts if part.num_rows < manifest.num_rows / 4]
    stale = [p for p in parts if p.num_rows - p.num_live > _MAX_DEAD_SHARE * p.num_rows]
    groups = [small] if len(small) > _MAX_SMALL else []
    groups += [[part] for part in stale if not groups or part not in small]
    for group in groups:
        merged = merge(folder, group, basis)
        kept = [part for part in manifest.segments if part not in group]
        manifest = replace(manifest, segments=(*kept, *merged))
    return manifest


def _size_bytes(folder: Path, manifest: Manifest) -> int:
    files = (folder / name for name in manifest.file_names)
    return sum(file.stat().st_size for file in files)
