"""Read a source behind a URL for a browser: what is there now, its bytes, or a part of them.

Owns what may go wrong on the way, as refusals that a person understands. Whole contents have to be
those that were indexed, to the bit; where only parts are read, the size has to be.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from crossmodal.errors import PathError, Refused
from crossmodal.files.archives.opening import open_remote, remote_size
from crossmodal.files.remote import with_os_errors
from crossmodal.web.files.breaker import CircuitBreaker

if TYPE_CHECKING:
    from crossmodal.ledger.read.chunks import SourceRow

T = TypeVar("T")

MAX_PREVIEW_BYTES = 64_000_000


class RemoteSource:
    """Read parts of a source while it stays what it was; a part may be anywhere in it."""

    def __init__(self, row: SourceRow, breaker: CircuitBreaker) -> None:
        self.num_bytes = row.size_bytes
        self._row = row
        self._breaker = breaker
        self._file: Any = _told(row, breaker, lambda: _open(row))

    def read_at(self, start: int, num_bytes: int) -> bytes:
        """Return up to so many bytes from a position on.

        Raises:
            Refused: The storage fails, does not answer, or only gives the whole of a large file.
        """
        return _told(self._row, self._breaker, lambda: self._read(start, num_bytes))

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _read(self, start: int, num_bytes: int) -> bytes:
        try:
            self._file.seek(start)
            data: bytes = self._file.read(num_bytes)
        except ValueError:  # the server knows no ranges
            self._file.close()
            self._file = io.BytesIO(_whole(self._row))
            data = self._file.getvalue()[start : start + num_bytes]
        return data


def look(row: SourceRow, breaker: CircuitBreaker) -> None:
    """Make sure that the source is still there and, as far as its size tells, unchanged.

    Raises:
        Refused: It is ``missing``, ``unreadable``, ``changed``, too large to be fetched for a
            preview, or its storage fails.
    """
    _refuse_large(row)
    _told(row, breaker, lambda: _check(row))


def fetch(row: SourceRow, breaker: CircuitBreaker) -> bytes:
    """Return the bytes that were indexed.

    Raises:
        Refused: As ``look`` does.
    """
    _refuse_large(row)
    return _told(row, breaker, lambda: _whole(row))


def _open(row: SourceRow) -> Any:
    _check(row)
    return open_remote(row.uri)


def _check(row: SourceRow) -> None:
    size_bytes = remote_size(row.uri)
    if size_bytes is not None and size_bytes != row.size_bytes:
        raise _changed(row)


def _whole(row: SourceRow) -> bytes:
    _refuse_large(row)
    with open_remote(row.uri) as file:
        blocks = [file.read(row.size_bytes + 1)]
        # A server that knows no ranges gives what has arrived, which may be less.
        while blocks[-1] and sum(map(len, blocks)) <= row.size_bytes:
            blocks.append(file.read(row.size_bytes + 1))
    data = b"".join(blocks)
    if hashlib.sha256(data).hexdigest() != row.content_hash:
        raise _changed(row)
    return data


def _refuse_large(row: SourceRow) -> None:
    if row.size_bytes > MAX_PREVIEW_BYTES:
        raise Refused(
            "too_large",
            f"{row.uri} is too large to be fetched for a preview: more than "
            f"{MAX_PREVIEW_BYTES // 1_000_000} MB",
        )


def _changed(row: SourceRow) -> Refused:
    return Refused(
        "changed", f"{row.uri} has changed since it was indexed: run `crossmodal index` again"
    )


def _told(row: SourceRow, breaker: CircuitBreaker, work: Callable[[], T]) -> T:
    """Return what the work returns, or say in words why it cannot."""
    parts = urlsplit(row.uri)
    try:
        return breaker.call(f"{parts.scheme}://{parts.netloc}", lambda: with_os_errors(work))
    except FileNotFoundError as error:
        raise Refused("missing", f"{row.uri} is no longer there") from error
    except PermissionError as error:
        raise Refused("unreadable", f"{row.uri} may not be read: {error}"[:300]) from error
    except (OSError, ValueError, PathError) as error:
        detail = f"{row.uri} cannot be read: {error or type(error).__name__}"[:300]
        raise Refused("read_failed", detail, transient=True) from error
