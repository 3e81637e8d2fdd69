"""Open members of archives as if they were files, wherever their bytes lie."""

from __future__ import annotations

import io
import os
from abc import abstractmethod
from typing import IO

from crossmodal.files.archives.tars import Place
from crossmodal.files.remote import RemoteFiles

_AHEAD_BYTES = 1 << 23


class Member(io.RawIOBase):
    """Read one member in parts."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place, self._at = place, 0

    @property
    def num_bytes(self) -> int:
        """Return the member's length."""
        return self._place.num_bytes

    def readable(self) -> bool:
        """Return that it is."""
        return True

    def seekable(self) -> bool:
        """Return that it is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move within the member; return where that is."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self.num_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill a buffer from where reading stands; return how many bytes came."""
        wanted = min(len(buffer), max(0, self.num_bytes - self._at))
        data = self._bytes_at(self._at, wanted) if wanted else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    @abstractmethod
    def _bytes_at(self, start: int, num_bytes: int) -> bytes: ...


class MemberFile(Member):
    """Read a member of a tar on this machine; ``fileno`` is the tar's."""

    def __init__(self, file: IO[bytes], place: Place) -> None:
        super().__init__(place)
        self._file = file

    def fileno(self) -> int:
        """Return the descriptor of the tar."""
        return self._file.fileno()

    def close(self) -> None:
        """Close the tar."""
        if not self.closed:
            self._file.close()
        super().close()

    def _bytes_at(self, start: int, num_bytes: int) -> bytes:
        return os.pread(self.fileno(), num_bytes, self._place.start + start)


class RangeMember(Member):
    """Read a member of a remote tar by requests for ranges, some megabytes ahead."""

    def __init__(self, files: RemoteFiles, place: Place) -> None:
        super().__init__(place)
        self._files = files
        self._from, self._ahead = 0, b""

    def _bytes_at(self, start: int, num_bytes: int) -> bytes:
        if not self._from <= start < self._from + len(self._ahead):
            stop = min(self.num_bytes, start + max(num_bytes, _AHEAD_BYTES))
            first = self._place.start
            self._ahead = self._files.read_range(first + start, first + stop)
            self._from = start
        at = start - self._from
        return self._ahead[at : at + num_bytes]
