"""Read the members of an untrusted zip within limits, whatever its directory claims.

Owns the limits; refuses encrypted archives and bombs. Sizes are checked as declared and again as
they come out, because a directory can lie and members can share their bytes.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
import zlib
from typing import IO
from urllib.parse import unquote

from crossmodal.errors import Refused

_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MAX_MEMBERS = 50_000
_MAX_MEMBER_BYTES = 200_000_000
_MAX_TOTAL_BYTES = 1_000_000_000
# Text of a real document deflates to a fiftieth at best; deflate itself reaches 1032.
_MAX_RATIO = 250
_FREE_BYTES = 10_000_000
_STEP_BYTES = 1 << 20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, NotImplementedError)


class SafeZip:
    """Give the members of an archive by name, and count what came out of it.

    Raises:
        Refused: The bytes are no readable zip, encrypted, or a bomb.
    """

    def __init__(self, data: bytes) -> None:
        _check_container(data)
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
        except _BROKEN as error:
            raise Refused("damaged", f"the zip archive cannot be read: {_line(error)}") from error
        except RecursionError as error:
            raise Refused("damaged", "the zip archive's directory is malformed") from error
        members = self._zip.infolist()
        if len(members) > _MAX_MEMBERS:
            raise Refused("zip_bomb", f"{len(members)} members; the limit is {_MAX_MEMBERS}")
        if any(member.flag_bits & 1 for member in members):
            raise Refused("encrypted", "the archive is encrypted")
        self._members = {member.filename: member for member in members}
        self._by_lower = {name.lower(): name for name in self._members}
        self._num_read_bytes = 0

    def names(self) -> list[str]:
        """Return the names of all members in the archive's order."""
        return list(self._members)

    def find(self, name: str) -> str | None:
        """Return the member of this name, whatever its case or escapes, or None."""
        for candidate in (name, unquote(name)):
            if candidate in self._members:
                return candidate
            if candidate.lower() in self._by_lower:
                return self._by_lower[candidate.lower()]
        return None

    def read(self, name: str) -> bytes:
        """Return the bytes of a member.

        Raises:
            Refused: ``damaged`` where it is missing or broken, ``zip_bomb`` where it is too large.
        """
        found = self.find(name)
        if found is None:
            raise Refused("damaged", f"the archive has no {name[:200]!r}")
        member = self._members[found]
        self._check(member, member.file_size)
        try:
            with self._zip.open(member) as stream:
                return self._read(member, stream)
        except RuntimeError as error:
            raise Refused("encrypted", _line(error)) from error
        except _BROKEN as error:
            raise Refused("damaged", f"{name[:200]}: {_line(error)}") from error

    def _read(self, member: zipfile.ZipInfo, stream: IO[bytes]) -> bytes:
        parts, num_bytes = [], 0
        while part := stream.read(_STEP_BYTES):
            parts.append(part)
            num_bytes += len(part)
            self._num_read_bytes += len(part)
            self._check(member, num_bytes)
        return b"".join(parts)

    def _check(self, member: zipfile.ZipInfo, num_bytes: int) -> None:
        name = member.filename[:200]
        if num_bytes > _MAX_MEMBER_BYTES:
            raise Refused("zip_bomb", f"{name} unpacks to {num_bytes / 1e6:.0f} MB")
        if num_bytes > _FREE_BYTES and num_bytes > member.compress_size * _MAX_RATIO:
            raise Refused("zip_bomb", f"{name} unpacks to over {_MAX_RATIO} times its size")
        if self._num_read_bytes > _MAX_TOTAL_BYTES:
            raise Refused("zip_bomb", f"more than {_MAX_TOTAL_BYTES / 1e6:.0f} MB came out of it")


def resolve(base: str, target: str) -> str:
    """Resolve a target, as written in the member ``base``, to a member's name."""
    path = target.partition("#")[0].partition("?")[0]
    joined = path if path.startswith("/") else posixpath.join(posixpath.dirname(base), path)
    return posixpath.normpath(joined).lstrip("/")


def _check_container(data: bytes) -> None:
    if not data:
        raise Refused("empty", "the file has no bytes")
    if data[:8] == _OLE:
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise Refused("encrypted", "the document wants a password")
        raise Refused("unsupported_format", "an Office document of before 2007")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
