"""List archives and open their members, on this machine or behind a URL.

A plain tar is read where it lies, a remote one by requests for ranges; every other archive is
unpacked once into the cache (``copies``). Owns which of the ways it is.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BufferedReader, FileIO
from tempfile import TemporaryFile
from typing import IO, Any

from cachetools import LRUCache, TTLCache

from crossmodal.files.archives.copies import (
    Archive,
    copied_contents,
    copies_folder,
    noted,
    open_copy,
)
from crossmodal.files.archives.members import Member, MemberFile, RangeMember
from crossmodal.files.archives.names import kind_of, splits
from crossmodal.files.archives.tars import Contents, read_headers
from crossmodal.files.local import open_regular
from crossmodal.files.remote import RemoteFiles, with_os_errors
from crossmodal.files.retry import with_retries

_NUM_KNOWN = 8
_BLOCK_BYTES = 1 << 20
_REMEMBERED_S = 30.0
_LOCK = threading.RLock()
_KNOWN: LRUCache[tuple[object, ...], Contents] = LRUCache(_NUM_KNOWN)
_REMOTE: TTLCache[str, Archive | None] = TTLCache(1024, _REMEMBERED_S)
_TAGS = ("ETag", "etag", "LastModified", "Last-Modified", "mtime", "updated")
# Of a store that tells neither time nor tag, only this process knows what it has seen.
_THIS_PROCESS = f"{os.getpid()}-{time.time_ns()}"


def split_member(uri: str) -> tuple[str, str] | None:
    """Return the archive and the member that a local path names; None where it is a plain file."""
    return next((found for found in splits(uri) if os.path.isfile(found[0])), None)


def contents(uri: str) -> Contents:
    """Return the members of an archive.

    Raises:
        OSError: it cannot be read at all, or there is no room to unpack it.
    """
    return _contents(_archive(uri))


def stamp(uri: str) -> str:
    """Return what changes when an archive does.

    Raises:
        OSError: it cannot be looked at, or is not there.
    """
    archive = _archive(uri)
    return f"{archive.num_bytes}|{archive.stamp}"


def open_local(uri: str) -> FileIO | MemberFile:
    """Open a regular local file, or a member of an archive, for reading, unbuffered.

    Raises:
        FileNotFoundError: there is none.
    """
    named = split_member(uri)
    return open_regular(uri) if named is None else _open_in(_local(named[0]), named[1])


def open_remote(uri: str) -> Any:
    """Open a remote object, or a member of a remote archive, for reading in order.

    Raises:
        OSError: it cannot be reached, or is not there.
    """
    named = _split_remote(uri)
    return RemoteFiles(uri).open() if named is None else _open_member(*named)


def remote_size(uri: str) -> int | None:
    """Return how long a remote object or member is; None where the store does not say.

    Raises:
        OSError: it cannot be reached, or is not there.
    """
    named = _split_remote(uri)
    if named is None:
        size: int | None = RemoteFiles(uri).info().get("size")
        return size
    with _open_member(*named) as member:
        return member.num_bytes


def _archive(uri: str) -> Archive:
    archive = _remote(uri) if "://" in uri else _local(uri)
    if archive is None:
        raise FileNotFoundError(f"{uri} is not there")
    return archive


def _split_remote(uri: str) -> tuple[Archive, str] | None:
    for url, member in splits(uri):
        archive = _remote(url)
        if archive is not None:
            return archive, member
    return None


def _open_member(archive: Archive, member: str) -> Member:
    if not _lies_open(archive):
        return _open_in(archive, member)
    place = _contents(archive).members.get(member)
    if place is None:
        raise FileNotFoundError(f"{archive.uri} has no member {member}")
    return RangeMember(RemoteFiles(archive.uri), place)


def _open_in(archive: Archive, member: str) -> MemberFile:
    """Open a member of a tar, or of the copy of an archive, on this machine."""
    place = _contents(archive).members.get(member)
    if place is None:
        raise FileNotFoundError(f"{archive.uri} has no member {member}")
    is_plain = _lies_open(archive)
    return MemberFile(open_regular(archive.uri) if is_plain else open_copy(archive), place)


def _lies_open(archive: Archive) -> bool:
    """Say whether parts of an archive can be had by themselves."""
    return archive.kind == "tar" and not archive.stamp.startswith("whole|")


def _contents(archive: Archive) -> Contents:
    key = (archive.uri, archive.num_bytes, archive.stamp)
    with _LOCK:
        known = _KNOWN.get(key)
    if known is None:
        known = _look(archive)
        with _LOCK:
            _KNOWN[key] = known
    return known


def _look(archive: Archive) -> Contents:
    if not _lies_open(archive):
        return copied_contents(archive)
    if "://" in archive.uri:
        return noted(archive, lambda: _remote_headers(archive))
    with open_regular(archive.uri) as file:
        return read_headers(file, archive.num_bytes)


def _remote_headers(archive: Archive) -> Contents:
    def read() -> Contents:
        with RemoteFiles(archive.uri).open() as file:
            return read_headers(file, archive.num_bytes)

    return with_retries(lambda: with_os_errors(read))


def _local(path: str) -> Archive:
    with open_regular(path) as file:
        status = os.fstat(file.fileno())
    return Archive(
        uri=path,
        kind=kind_of(path) or "tar",
        num_bytes=status.st_size,
        stamp=f"{status.st_dev}|{status.st_ino}|{status.st_mtime_ns}",
        mtime_ns=status.st_mtime_ns,
        opened=partial(_reader, path),
    )


@contextmanager
def _reader(path: str) -> Iterator[IO[bytes]]:
    with open_regular(path) as file:
        yield BufferedReader(file)


def _remote(url: str) -> Archive | None:
    """Return an archive behind a URL; None where no object has that name."""
    with _LOCK:
        if url in _REMOTE:
            return _REMOTE[url]
    archive = _asked(url)
    with _LOCK:
        _REMOTE[url] = archive
    return archive


def _asked(url: str) -> Archive | None:
    files = RemoteFiles(url)
    try:
        info = files.info()
    except FileNotFoundError:
        return None
    kind = kind_of(url)
    if info["type"] != "file" or kind is None:
        return None
    tags = [info.get(name) for name in _TAGS]
    stamp = "|".join(str(tag) for tag in tags if tag) or _THIS_PROCESS
    lies_open = kind == "tar" and info.get("size") is not None and files.gives_parts()
    return Archive(
        uri=url,
        kind=kind,
        num_bytes=int(info.get("size") or 0),
        stamp=stamp if lies_open else f"whole|{stamp}",
        mtime_ns=0,
        opened=partial(_fetched, url),
    )


@contextmanager
def _fetched(url: str) -> Iterator[IO[bytes]]:
    """Lend a remote object as a file of this machine, fetched whole."""

    def fetch(out: IO[bytes]) -> None:
        out.seek(0)
        out.truncate()
        with RemoteFiles(url).open() as file:
            while block := file.read(_BLOCK_BYTES):
                out.write(block)
        out.flush()
        out.seek(0)

    with TemporaryFile(dir=copies_folder()) as out:
        with_retries(lambda: with_os_errors(lambda: fetch(out)))
        with BufferedReader(FileIO(os.dup(out.fileno()), "rb")) as file:
            yield file
