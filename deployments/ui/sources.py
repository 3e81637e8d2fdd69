"""Open the file of a source that the collection knows, and no other.

Owns the three questions: is it still under the path that was indexed once every link is followed,
is it a regular file, is it as large and as old as when it was indexed. Invariant: what was checked
is what was opened, whoever swaps links meanwhile. Remote sources are read through their driver.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from tasks.chunking.refusal import Refused
from tasks.discovery.patterns import GlobPattern, has_wildcard
from tasks.embedding.read import is_remote, read_source
from tasks.files.local import open_regular
from tasks.retrieval.drawing import Content, LocalFile

if TYPE_CHECKING:
    from tasks.storage.chunks import SourceRow

_MAX_REMOTE_PREVIEW_BYTES = 64_000_000


class OpenSource:
    """Read parts of an open source; close it in the end."""

    def __init__(self, file: IO[bytes] | Any, num_bytes: int) -> None:
        self._file = file
        self._turn = threading.Lock()
        self.num_bytes = num_bytes

    def read_at(self, start: int, num_bytes: int) -> bytes:
        """Return up to so many bytes from a position on."""
        with self._turn:
            self._file.seek(start)
            data: bytes = self._file.read(num_bytes)
        return data

    def close(self) -> None:
        """Give the file back."""
        self._file.close()


def open_source(row: SourceRow) -> OpenSource:
    """Return the source, open at its whole length.

    Raises:
        Refused: ``missing``, ``unreadable``, ``outside`` of what was indexed, or ``changed`` since.
    """
    if is_remote(row.uri):
        return OpenSource(_open_remote(row), row.size_bytes)
    file, _ = _open_local(row)
    return OpenSource(file, row.size_bytes)


def content_of(row: SourceRow) -> Content:
    """Return the source as a preview takes it: a checked file, or the bytes from elsewhere.

    Raises:
        Refused: As ``open_source``; or it is remote and too large to be fetched for a preview.
    """
    if is_remote(row.uri):
        return read_source(row.uri, _MAX_REMOTE_PREVIEW_BYTES)
    file, path = _open_local(row)
    with file:
        found = os.fstat(file.fileno())
    return LocalFile(path, found.st_dev, found.st_ino, found.st_size)


def _open_local(row: SourceRow) -> tuple[IO[bytes] | Any, str]:
    """Return the open file and the path without links that leads to it."""
    try:
        file = open_regular(row.uri)
    except PermissionError as error:
        raise Refused("unreadable", "this user may not read the file") from error
    except OSError as error:
        raise Refused("missing", "the file is no longer where it was indexed") from error
    try:
        path = _checked(row, file.fileno())
    except BaseException:
        file.close()
        raise
    return file, path


def _checked(row: SourceRow, descriptor: int) -> str:
    opened = os.fstat(descriptor)
    path = os.path.realpath(row.uri)
    try:
        resolved = os.stat(path)
    except OSError as error:
        raise Refused("missing", "the file was taken away while it was opened") from error
    if not os.path.samestat(opened, resolved) or not _is_within(path, row.root):
        raise Refused(
            "outside",
            f"{row.uri} leads out of {row.root} by a link: index the folder that it leads to",
        )
    if (opened.st_size, opened.st_mtime_ns) != (row.size_bytes, row.mtime_ns):
        raise Refused(
            "changed", f"{row.uri} has changed since it was indexed: run `crossmodal index` again"
        )
    return path


def _is_within(path: str, root: str) -> bool:
    base = GlobPattern(root).base if has_wildcard(root) and not os.path.lexists(root) else root
    return Path(path).is_relative_to(os.path.realpath(base))


def _open_remote(row: SourceRow) -> Any:
    from tasks.files.remote import RemoteFiles

    try:
        return RemoteFiles(row.uri).open()
    except FileNotFoundError as error:
        raise Refused("missing", f"{row.uri} is no longer there") from error
    except OSError as error:
        raise Refused("unreadable", f"{row.uri} cannot be read: {error}"[:300]) from error
