"""Read the sources that a plan cannot judge by size and time: media type and SHA-256.

Owns the reading; refuses to know the ledger, so that no connection is held while it reads. Files
are hashed only where their media type has a chunker; of the others only the head is read.
Invariant: every candidate becomes one row of INSPECTED_SCHEMA, a refusal, or is gone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import RawIOBase
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from crossmodal.errors import is_transient
from crossmodal.files.archives.members import MemberFile
from crossmodal.files.archives.opening import open_local, open_remote
from crossmodal.files.retry import with_retries
from crossmodal.records import Rejected
from crossmodal.sources.planning.media_type import HEAD_BYTES, sniff

INSPECTED_SCHEMA = pa.schema(
    [
        pa.field("uri", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("mtime_ns", pa.int64(), nullable=False),
        pa.field("media_type", pa.string(), nullable=False),
        pa.field("content_hash", pa.string()),
    ]
)
"""Size and time are those of the bytes that were read; the hash is null where none was needed."""

_BLOCK_BYTES = 1 << 20
# Enough to hide the latency of a network disk; hashing itself needs no more than the cores.
_NUM_THREADS = 16
_BATCH_ROWS = 4096
_MAX_READS = 3


@dataclass(frozen=True, slots=True)
class Inspection:
    """Say what reading the candidates brought."""

    path: Path
    """Parquet of INSPECTED_SCHEMA."""
    num_read: int = 0
    num_bytes: int = 0
    gone: tuple[str, ...] = ()
    """Sources that vanished after they were listed; the next run deletes them."""
    rejected: tuple[Rejected, ...] = ()


class _Inspected(NamedTuple):
    uri: str
    size_bytes: int
    mtime_ns: int
    media_type: str
    content_hash: str | None


_Reader = Callable[[dict[str, Any], Callable[[str], bool]], _Inspected]


class _ChangedMeanwhile(Exception):
    """A file changed while it was read."""


def inspect(
    candidates: Path,
    out: Path,
    handled: Callable[[str], bool],
    progress: Callable[[int], None] = lambda num_items: None,
) -> Inspection:
    """Read every source of ``candidates`` (MANIFEST_SCHEMA) with a few threads into ``out``.

    Args:
        candidates: what ``plan.candidates`` wrote.
        out: Parquet of INSPECTED_SCHEMA, made anew.
        handled: whether a media type has a chunker, so that its content must be hashed.
        progress: called with the number of sources done since the last call.
    """
    gone: list[str] = []
    rejected: list[Rejected] = []
    num_read = num_bytes = 0
    with pq.ParquetWriter(out, INSPECTED_SCHEMA) as writer:
        for results in _in_batches(candidates, handled, progress):
            rows = [r for r in results if isinstance(r, _Inspected)]
            gone += [r for r in results if isinstance(r, str)]
            rejected += [r for r in results if isinstance(r, Rejected)]
            num_read += len(rows)
            num_bytes += sum(row.size_bytes for row in rows if row.content_hash)
            columns = zip(*rows, strict=True) if rows else ([] for _ in INSPECTED_SCHEMA)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, INSPECTED_SCHEMA, strict=True)]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=INSPECTED_SCHEMA))
    return Inspection(out, num_read, num_bytes, tuple(gone), tuple(rejected))


def _in_batches(
    candidates: Path, handled: Callable[[str], bool], progress: Callable[[int], None]
) -> Iterator[list[_Inspected | Rejected | str]]:
    with pq.ParquetFile(candidates) as file, ThreadPoolExecutor(_NUM_THREADS) as pool:
        for batch in file.iter_batches(_BATCH_ROWS):
            results = []
            for result in pool.map(lambda row: _look_into(row, handled), batch.to_pylist()):
                results.append(result)
                progress(1)
            yield results


def _look_into(row: dict[str, Any], handled: Callable[[str], bool]) -> _Inspected | Rejected | str:
    """Return what the content is, the refusal, or the uri alone where the source is gone."""
    uri: str = row["uri"]
    read: _Reader = _read_remote if "://" in uri else _read_local
    try:
        return with_retries(lambda: read(row, handled))
    except (FileNotFoundError, NotADirectoryError):
        return uri
    except _ChangedMeanwhile:
        detail = f"the file changed during each of {_MAX_READS} reads; is it still being written?"
        return _refused(row, "changed_while_indexing", detail, transient=True)
    except OSError as error:
        return _refused(row, "unreadable", str(error), transient=is_transient(error))


def _refused(row: dict[str, Any], reason: str, detail: str, *, transient: bool) -> Rejected:
    return Rejected(
        row["uri"],
        "plan",
        reason,
        detail,
        transient,
        size_bytes=row["size_bytes"],
        mtime_ns=row["mtime_ns"],
    )


def _read_local(row: dict[str, Any], handled: Callable[[str], bool]) -> _Inspected:
    with open_local(row["uri"]) as file:
        return _read_while_still(file, row["uri"], handled)


def _read_while_still(file: RawIOBase, uri: str, handled: Callable[[str], bool]) -> _Inspected:
    """Read until size and time are the same before and after."""
    for _ in range(_MAX_READS):
        file.seek(0)
        before = os.fstat(file.fileno())
        media_type, content_hash, _num_bytes = _digest(file, os.path.basename(uri), handled)
        after = os.fstat(file.fileno())
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            size = file.num_bytes if isinstance(file, MemberFile) else after.st_size
            return _Inspected(uri, size, after.st_mtime_ns, media_type, content_hash)
    raise _ChangedMeanwhile(uri)


def _read_remote(row: dict[str, Any], handled: Callable[[str], bool]) -> _Inspected:
    from crossmodal.files.remote import with_os_errors

    name = row["uri"].partition("?")[0].rpartition("/")[2]

    def read() -> tuple[str, str | None, int]:
        with open_remote(row["uri"]) as file:
            return _digest(file, name, handled)

    media_type, content_hash, num_bytes = with_os_errors(read)
    size_bytes = num_bytes if content_hash else row["size_bytes"]
    return _Inspected(row["uri"], size_bytes, row["mtime_ns"], media_type, content_hash)


def _digest(file: Any, name: str, handled: Callable[[str], bool]) -> tuple[str, str | None, int]:
    """Return media type, SHA-256 in hex or None, and how many bytes were read."""
    head = file.read(HEAD_BYTES)
    media_type = sniff(head, name)
    if not handled(media_type):
        return media_type, None, len(head)
    digest = hashlib.sha256(head)
    num_bytes = len(head)
    while block := file.read(_BLOCK_BYTES):
        digest.update(block)
        num_bytes += len(block)
    return media_type, digest.hexdigest(), num_bytes
