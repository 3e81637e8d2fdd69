"""Keep copies of archives that cannot be sought in, as plain tars, in the user's cache.

``archives/<digest of name, size and time>/`` holds ``copy.tar`` and ``index.json``. A copy appears
whole, by a rename, and goes when room is needed, the one unused for longest first; the index stays,
so that an archive that did not change is not unpacked to be listed. Owns the limits against bombs
and full disks; processes take turns by a lock.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from crossmodal.errors import Refused
from crossmodal.files.archives.names import Kind
from crossmodal.files.archives.parquet import NO_MEDIA, tar_of_rows
from crossmodal.files.archives.tars import Contents, Place, read_headers
from crossmodal.files.archives.unpack import tar_of_packed
from crossmodal.files.cache_folder import cache_root, write_whole
from crossmodal.files.local import open_regular
from crossmodal.sandbox.pool import run_in_child

MAX_RATIO = 100
"""An archive may unpack to so many times its size: photos pack to nine tenths, text to a tenth."""
ALWAYS_ALLOWED_BYTES = 64_000_000
MAX_COPIES_BYTES = 100_000_000_000
"""What the copies may take together; an archive larger than that is kept while it is used."""
KEPT_FREE_BYTES = 2_000_000_000
_MAX_INDEX_BYTES = 256_000_000
_MAX_SECONDS = 4 * 3600.0
_MAX_MEMORY_BYTES = 4_000_000_000
_VERSION = 1
_INDEX = "index.json"


@dataclass(frozen=True, slots=True)
class Archive:
    """Name an archive as it is now."""

    uri: str
    kind: Kind
    num_bytes: int
    stamp: str
    """What changes when the archive does."""
    mtime_ns: int
    opened: Callable[[], AbstractContextManager[IO[bytes]]]
    """Gives its bytes, as a file of this machine."""

    @property
    def folder(self) -> Path:
        """Return where its copy and its index lie."""
        told = f"{_VERSION}|{self.uri}|{self.num_bytes}|{self.stamp}"
        return copies_folder() / hashlib.sha256(told.encode()).hexdigest()[:32]


def copies_folder() -> Path:
    """Return the folder of all copies, made where it was not there."""
    folder = cache_root() / "archives"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def copied_contents(archive: Archive) -> Contents:
    """Return what an archive has, unpacking it where that was not done yet.

    Raises:
        OSError: it cannot be read, or there is no room.
    """
    return noted(archive, lambda: _unpacked(archive))


def noted(archive: Archive, look: Callable[[], Contents]) -> Contents:
    """Return what the index of an archive says, writing it where there is none."""
    known = _read_index(archive.folder)
    if known is None:
        with _turn(archive.folder):
            known = _read_index(archive.folder)
            if known is None:
                known = look()
                write_whole(archive.folder / _INDEX, json.dumps(asdict(known)))
    return known


def open_copy(archive: Archive) -> IO[bytes]:
    """Open the copy of an archive; its time is the archive's.

    Raises:
        OSError: it was to be made anew and cannot.
    """
    path = archive.folder / "copy.tar"
    try:
        file = open_regular(str(path))
    except FileNotFoundError:
        with _turn(archive.folder):
            if not path.exists():
                _unpacked(archive)
            file = open_regular(str(path))
    os.utime(path, ns=(time.time_ns(), archive.mtime_ns))
    return file


def _unpacked(archive: Archive) -> Contents:
    """Write the copy and return what it has; of a broken archive, what is whole."""
    archive.folder.mkdir(parents=True, exist_ok=True)
    broken = ""
    with archive.opened() as file, _written(archive.folder) as (partial, out):
        num_bytes = os.fstat(file.fileno()).st_size
        _make_room(num_bytes)
        try:
            _copy(_blocks(archive, file), out, archive.folder, _limit(num_bytes))
        except Refused as refusal:
            if refusal.reason == NO_MEDIA:
                return Contents(is_table=True)
            if refusal.transient:
                raise OSError(refusal.detail) from refusal
            broken = refusal.detail
        out.flush()
        with open_regular(str(partial)) as copy:
            found = read_headers(copy, out.tell())
        found.broken = broken or found.broken
        os.utime(partial, ns=(time.time_ns(), archive.mtime_ns))
        os.replace(partial, archive.folder / "copy.tar")
    return found


def _blocks(archive: Archive, file: IO[bytes]) -> Iterator[bytes]:
    limits: Any = {"max_seconds": _MAX_SECONDS, "max_memory_bytes": _MAX_MEMORY_BYTES}
    if archive.kind == "parquet":
        return run_in_child(tar_of_rows, file, yields=(bytes,), **limits)
    if archive.kind == "tar":
        return iter(lambda: file.read(1 << 20), b"")
    return run_in_child(tar_of_packed, file, archive.kind, yields=(bytes,), **limits)


def _limit(num_bytes: int) -> int:
    return max(ALWAYS_ALLOWED_BYTES, MAX_RATIO * num_bytes)


def _copy(blocks: Iterator[bytes], out: IO[bytes], folder: Path, limit: int) -> None:
    num_bytes = looked_at = 0
    for block in blocks:
        num_bytes += len(block)
        if num_bytes > limit:
            raise Refused(
                "too_large",
                f"it unpacks to more than {limit:,} bytes, {MAX_RATIO} times its size: a bomb, or "
                "unpack it yourself and index the folder",
            )
        if num_bytes - looked_at >= ALWAYS_ALLOWED_BYTES:
            looked_at = num_bytes
            _refuse_full_disk(folder)
        out.write(block)


def _refuse_full_disk(folder: Path) -> None:
    if shutil.disk_usage(folder).free < KEPT_FREE_BYTES:
        raise OSError(
            errno.ENOSPC,
            "no room to unpack it: less than 2 GB are free where CROSSMODAL_CACHE lies",
        )


@contextmanager
def _written(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Lend a file beside the copy; it is gone in the end unless it was renamed."""
    descriptor, name = tempfile.mkstemp(prefix=".partial-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as out:
            yield Path(name), out
    finally:
        with suppress(FileNotFoundError):
            os.unlink(name)


def _make_room(num_bytes: int) -> None:
    """Delete the copies unused for longest until so many more bytes are within the limit."""
    found = []
    for path in copies_folder().glob("*/copy.tar"):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_atime_ns, status.st_size, path))
    total = num_bytes + sum(size for _, size, _ in found)
    for _, size, path in sorted(found):
        if total <= MAX_COPIES_BYTES:
            return
        with suppress(OSError):
            path.unlink()
            total -= size


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _read_index(folder: Path) -> Contents | None:
    try:
        with (folder / _INDEX).open(encoding="utf-8") as file:
            told = json.loads(file.read(_MAX_INDEX_BYTES))
        places = {name: Place(*place) for name, place in told.pop("members").items()}
        refused = {name: tuple(why) for name, why in told.pop("refused").items()}
        return Contents(members=places, refused=refused, **told)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None
