"""Open the file of a source that the collection knows, and no other.

Owns the three questions: is it still under the path that was indexed once every link is followed,
is it a regular file, is it as large and as old as when it was indexed. Invariant: what was checked
is what was opened, whoever swaps links meanwhile. What lies behind a URL is left to ``remote``.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from crossmodal.errors import Refused
from crossmodal.files.archives.members import MemberFile
from crossmodal.files.archives.opening import open_local, split_member
from crossmodal.files.local import open_regular
from crossmodal.files.read import is_remote
from crossmodal.previews.content import MAX_FILE_BYTES, Content, LocalFile
from crossmodal.sources.listing.patterns import GlobPattern, has_wildcard
from crossmodal.web.files import remote
from crossmodal.web.files.breaker import CircuitBreaker
from crossmodal.web.files.remote import RemoteSource

if TYPE_CHECKING:
    from crossmodal.ledger.read.chunks import SourceRow


class OpenSource(Protocol):
    """Read parts of an open source; close it in the end."""

    num_bytes: int

    def read_at(self, start: int, num_bytes: int) -> bytes:
        """Return up to so many bytes from a position on."""

    def close(self) -> None:
        """Give the file back."""


class Sources:
    """Open sources; wait for remote ones, but not long."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self._breaker = breaker

    def open(self, row: SourceRow) -> OpenSource:
        """Return the source, open at its whole length.

        Raises:
            Refused: ``missing``, ``unreadable``, ``outside`` of what was indexed, or ``changed``
                since; or its storage fails: ``read_failed``, ``no_answer``.
        """
        if is_remote(row.uri):
            return RemoteSource(row, self._breaker)
        if split_member(row.uri):
            return LocalSource(_open_member(row), row.size_bytes)
        return LocalSource(_open_local(row)[0], row.size_bytes)

    def look(self, row: SourceRow) -> Callable[[], Content]:
        """Make sure that the source is still there; return how a preview comes by its content.

        Raises:
            Refused: As ``open``; or it is remote and too large to be fetched for a preview.
        """
        if is_remote(row.uri):
            remote.look(row, self._breaker)
            return lambda: remote.fetch(row, self._breaker)
        if split_member(row.uri):
            with _open_member(row) as member:
                data = member.read(MAX_FILE_BYTES)
            return lambda: data
        file, path = _open_local(row)
        with file:
            found = os.fstat(file.fileno())
        local = LocalFile(path, found.st_dev, found.st_ino, found.st_size)
        return lambda: local


class LocalSource:
    """Read parts of an open file."""

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


def _open_member(row: SourceRow) -> MemberFile:
    """Return a member of a tar that lies where it was indexed and is as old as it was then."""
    named = split_member(row.uri)
    try:
        file = open_local(row.uri)
    except OSError as error:
        raise Refused("missing", "the tar no longer has it") from error
    found = os.fstat(file.fileno())
    is_same = isinstance(file, MemberFile) and (file.num_bytes, found.st_mtime_ns) == (
        row.size_bytes,
        row.mtime_ns,
    )
    if is_same and named and _is_within(os.path.realpath(named[0]), row.root):
        return file  # type: ignore[return-value]
    file.close()
    if not is_same:
        raise Refused("changed", f"{row.uri} has changed since it was indexed: index again")
    raise Refused("outside", f"{row.uri} leads out of {row.root} by a link")


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
