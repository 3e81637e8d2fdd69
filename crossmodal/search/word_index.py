"""Keep the postings of a large collection sorted by term beside it, so that a search reads few.

DuckDB keeps postings in the order in which chunks were written, and a question has to go through
all of them. The index has the same postings, term by term, in one file that is mapped into memory:
a cache, which any run makes anew. What it says is what the ledger would say, to the last bit: newer
chunks are read from the ledger, deleted ones are left out, and a term whose checksum is wrong sends
the question to the ledger. Owns the file and when it is made; which file is valid, the ledger says.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from crossmodal.ledger.collection import Collection
from crossmodal.ledger.lock import exclusive
from crossmodal.ledger.private import as_private_as
from crossmodal.ledger.sql import first_row, one_number, registered
from crossmodal.ledger.words.bm25 import stored_postings
from crossmodal.ledger.words.rows import Ids, TermRows
from crossmodal.vectors.ann.files import (
    ArrayFile,
    CodesDamaged,
    file_of,
    is_marked_damaged,
    map_arrays,
    mark_damaged,
    sweep,
    write_arrays,
)
from crossmodal.vectors.ann.verify import CacheVerified

MIN_CHUNKS = 100_000
"""Fewer are read from the ledger: at 3,000 it takes as long, at 200,000 twice (docs/quality.md)."""
_MAX_TAIL = 20_000
_TAIL_SHARE = 50
_CHECKED_ON_OPENING = ("terms", "starts", "checksums", "chunk_ids", "num_words")
_ARRAYS = {
    "terms": np.int64,
    "starts": np.int64,
    "checksums": np.uint32,
    "chunk_ids": np.int64,
    "num_words": np.int32,
    "places": np.int32,
    "tfs": np.float32,
}

_VALID = "SELECT file FROM word_index"
_STATE = """
SELECT covered_chunk, num_chunks, file, count(*) FILTER (chunk_id <= covered_chunk),
    count(*) FILTER (chunk_id > covered_chunk)
FROM word_index, worded_chunk GROUP BY ALL
"""
_NUM_CHUNKS = "SELECT count(*) FROM worded_chunk"
_COVERED = "SELECT chunk_id FROM worded_chunk WHERE chunk_id <= $covered"
_LACKING = """
SELECT count(*) FROM worded_chunk ANTI JOIN indexed USING (chunk_id) WHERE chunk_id <= $covered
"""
_CHUNKS = "SELECT chunk_id, num_words FROM worded_chunk ORDER BY chunk_id"
_POSTINGS = "SELECT term, chunk_id, tf FROM posting ORDER BY term, chunk_id"


@dataclass(frozen=True, slots=True)
class _Sorted:
    """Hold the postings of n chunks under m terms."""

    terms: Ids
    """(m,) ascending."""
    starts: Ids
    """(m + 1,): where the postings of each term begin, and the end of the last."""
    checksums: np.ndarray
    """(m,) uint32: CRC-32 of each term's places and frequencies."""
    chunk_ids: Ids
    """(n,) ascending."""
    num_words: np.ndarray
    """(n,) int32."""
    places: np.ndarray
    """(starts[-1],) int32 into ``chunk_ids``, ascending within a term."""
    tfs: np.ndarray
    """(starts[-1],) float32."""

    def rows(self, term: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the places and frequencies of a term; empty where nothing holds it.

        Raises:
            CodesDamaged: they are not what was written.
        """
        at = int(np.searchsorted(self.terms, term))
        if at == len(self.terms) or self.terms[at] != term:
            return self.places[:0], self.tfs[:0]
        part = slice(int(self.starts[at]), int(self.starts[at + 1]))
        places, tfs = self.places[part], self.tfs[part]
        if _checksum(places, tfs) != self.checksums[at]:
            raise CodesDamaged("postings of the index of words are not what was written")
        return places, tfs


class WordIndex:
    """Read postings for searches, from the index where one is valid; safe between threads."""

    def __init__(self, collection: Path) -> None:
        self._folder = folder_of(collection)
        self._lock = threading.Lock()
        self._name = ""
        self._open: _Sorted | None = None

    def __call__(self, con: duckdb.DuckDBPyConnection, terms: Sequence[int]) -> list[TermRows]:
        """Return the postings of each term, those of the ledger to the last bit."""
        state = first_row(con, _STATE)
        if state is None:
            return stored_postings(con, terms)
        covered, num_chunks, file, num_left, num_newer = state
        try:
            held = self._opened(file)
            is_gone = None if num_left == num_chunks else _gone(con, held, covered)
            indexed = [_live(held, term, is_gone) for term in terms]
        except CodesDamaged:
            self._give_up(file)
            return stored_postings(con, terms)
        if not num_newer:
            return indexed
        newer = stored_postings(con, terms, after=covered)
        return [_joined(a, b) for a, b in zip(indexed, newer, strict=True)]

    def _opened(self, file: str) -> _Sorted:
        """Return the index, opened once; that of another file takes its place.

        Raises:
            CodesDamaged: it cannot be read, or was found damaged before.
        """
        with self._lock:
            if self._name != file:
                self._name, self._open = file, None
                self._open = _open(self._folder, file)
            if self._open is None:
                raise CodesDamaged("the index of words is damaged")
            return self._open

    def _give_up(self, file: str) -> None:
        """Mark this index as damaged for all processes, until the next run makes it anew."""
        with self._lock:
            self._open = None
        mark_damaged(self._folder, _array_file(file).name)


def folder_of(collection: Path) -> Path:
    """Return the folder of the index: ``<collection>.codes/words``."""
    return Path(f"{os.fspath(collection)}.codes") / "words"


@lru_cache(maxsize=4)
def word_index_beside(collection: Path) -> WordIndex:
    """Return the index of a collection's words, kept open across the searches of this process."""
    return WordIndex(collection)


def keep_word_index(collection: Collection, min_chunks: int = MIN_CHUNKS) -> int:
    """Make the index of words anew where it lacks much; return the number of chunks that it covers.

    A folder that cannot be written, or a full disk, is no error: questions ask the ledger.

    Raises:
        CollectionBusy: another run, or a writer, took too long.
    """
    folder = folder_of(collection.path)
    with collection.read() as con:
        if not _is_wanted(con, folder, min_chunks):
            return 0
    try:
        with as_private_as(collection.path):
            folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / "update", collection.lock_timeout_s):
            return _make(collection, folder)
    except OSError:
        return 0


def verify_word_index(collection: Collection) -> CacheVerified:
    """Read the index that is valid to its last byte; nothing where there is none."""
    with collection.read() as con:
        valid = first_row(con, _VALID)
    if valid is None:
        return CacheVerified()
    try:
        _open(folder_of(collection.path), valid[0], thorough=True)
    except CodesDamaged as error:
        return CacheVerified(problems=[f"the index of words: {error}; the next run makes it anew"])
    return CacheVerified(1, _array_file(valid[0]).num_bytes)


def _is_wanted(con: duckdb.DuckDBPyConnection, folder: Path, min_chunks: int) -> bool:
    if one_number(con, _NUM_CHUNKS) < min_chunks:
        return False
    state = first_row(con, _STATE)
    if state is None:
        return True
    _, num_chunks, file, num_left, num_newer = state
    if is_marked_damaged(folder, _array_file(file).name):
        return True
    stale: int = num_newer + num_chunks - num_left
    return stale > max(_MAX_TAIL, int(num_chunks) // _TAIL_SHARE)


def _make(collection: Collection, folder: Path) -> int:
    """Write the index and publish it: a process killed at any point leaves the old or the new."""
    with collection.read() as con:
        held = _sorted(con)
    written = write_arrays(folder, "words", {name: getattr(held, name) for name in _ARRAYS})
    with collection.write() as con:
        is_published = _publish(con, held, json.dumps(asdict(written)))
    sweep(folder, keep={written.name})
    return len(held.chunk_ids) if is_published else 0


def _publish(con: duckdb.DuckDBPyConnection, held: _Sorted, file: str) -> bool:
    """Name the file in the ledger, unless chunks came back meanwhile that it does not have."""
    covered = int(held.chunk_ids[-1]) if len(held.chunk_ids) else 0
    con.execute("DELETE FROM word_index")
    with registered(con, indexed=pa.table({"chunk_id": held.chunk_ids})):
        if one_number(con, _LACKING, {"covered": covered}):
            return False
    con.execute(
        "INSERT INTO word_index VALUES (?, ?, ?, now())", [covered, len(held.chunk_ids), file]
    )
    return True


def _sorted(con: duckdb.DuckDBPyConnection) -> _Sorted:
    chunks = con.execute(_CHUNKS).fetchnumpy()
    chunk_ids = np.asarray(chunks["chunk_id"], np.int64)
    parts = list(_read_postings(con, chunk_ids))
    terms, places, tfs = (np.concatenate(column) for column in zip(*parts, strict=True))
    unique, starts = np.unique(terms, return_index=True)
    starts = np.append(starts, len(terms)).astype(np.int64)
    bounds = zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    checksums = np.array([_checksum(places[a:b], tfs[a:b]) for a, b in bounds], np.uint32)
    num_words = np.asarray(chunks["num_words"], np.int32)
    return _Sorted(unique, starts, checksums, chunk_ids, num_words, places, tfs)


def _read_postings(
    con: duckdb.DuckDBPyConnection, chunk_ids: Ids
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield terms, places and frequencies, block by block; one empty block first."""
    yield np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)
    for batch in con.sql(_POSTINGS).to_arrow_reader():
        places = np.searchsorted(chunk_ids, batch["chunk_id"].to_numpy()).astype(np.int32)
        yield batch["term"].to_numpy(), places, batch["tf"].to_numpy()


def _open(folder: Path, file: str, *, thorough: bool = False) -> _Sorted:
    """Map the index that the ledger describes; ``thorough`` reads all of it.

    Raises:
        CodesDamaged: it is missing, damaged, or was found damaged.
    """
    described = _array_file(file)
    if not thorough and is_marked_damaged(folder, described.name):
        raise CodesDamaged("a search found the index of words damaged")
    arrays = map_arrays(folder, described, None if thorough else _CHECKED_ON_OPENING)
    held = _Sorted(
        **{name: arrays[name].astype(kind, copy=False) for name, kind in _ARRAYS.items()}
    )
    if held.starts[-1] != len(held.places) or len(held.places) != len(held.tfs):
        raise CodesDamaged("the index of words does not have the shape that the ledger says")
    return held


def _array_file(file: str) -> ArrayFile:
    return file_of(json.loads(file))


def _gone(con: duckdb.DuckDBPyConnection, held: _Sorted, covered: int) -> np.ndarray:
    """Return (n,) bool: which of the chunks are no more."""
    left = con.execute(_COVERED, {"covered": covered}).fetchnumpy()["chunk_id"]
    return ~np.isin(held.chunk_ids, np.asarray(left, np.int64))


def _live(held: _Sorted, term: int, is_gone: np.ndarray | None) -> TermRows:
    places, tfs = held.rows(term)
    if is_gone is not None:
        kept = ~is_gone[places]
        places, tfs = places[kept], tfs[kept]
    return TermRows(
        held.chunk_ids[places], tfs.astype(np.float64), held.num_words[places].astype(np.float64)
    )


def _joined(first: TermRows, second: TermRows) -> TermRows:
    if not len(second.chunk_ids):
        return first
    return TermRows(*(np.concatenate(pair) for pair in zip(first, second, strict=True)))


def _checksum(places: np.ndarray, tfs: np.ndarray) -> int:
    return zlib.crc32(np.ascontiguousarray(tfs).data, zlib.crc32(np.ascontiguousarray(places).data))
