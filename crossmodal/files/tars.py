"""Know the members of plain tar files, such as WebDataset's shards, and open one of them.

A member is named like a file in a folder, ``/data/shard-0.tar/000.jpg``: no file can have another
below it, so nothing else is meant. Owns which members are files that may be read; nothing is ever
unpacked. Compressed tars have no members here, since none can be reached without all before it.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from cachetools import LRUCache

from crossmodal.files.local import open_regular

MAX_MEMBERS = 200_000
"""Of one tar: WebDataset's shards have some ten thousand."""
MAX_NAME_BYTES = 1024
_MAX_HEADER_BYTES = 1 << 16
_BLOCK = 512
_NUM_KNOWN = 8
_BELOW_A_TAR = re.compile(r"\.tar(?=/)", re.IGNORECASE)
_EXTENSIONS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


class Place(NamedTuple):
    """Say where in a tar a member's bytes lie."""

    start: int
    num_bytes: int


@dataclass(slots=True)
class Contents:
    """Hold what a tar has, as far as it can be read."""

    members: dict[str, Place] = field(default_factory=dict)
    """By name; of several of one name the last counts, as it does for tar."""
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By name, the reason and what to say: links, devices, names that lead elsewhere."""
    broken: str = ""
    """Why nothing is known of what may come after the members; empty for a whole tar."""


def is_tar(path: str) -> bool:
    """Say whether a file is taken for a tar, by its name."""
    return path.lower().endswith(".tar")


def split_member(uri: str) -> tuple[str, str] | None:
    """Return the tar and the member that a local path names; None where it names a plain file."""
    for found in _BELOW_A_TAR.finditer(uri):
        tar, member = uri[: found.end()], uri[found.end() + 1 :]
        if member and os.path.isfile(tar):
            return tar, member
    return None


def open_local(uri: str) -> io.FileIO | MemberFile:
    """Open a regular local file, or a member of a tar, for reading, unbuffered.

    Raises:
        FileNotFoundError: there is none.
    """
    named = split_member(uri)
    if named is None:
        return open_regular(uri)
    file = open_regular(named[0])
    try:
        return MemberFile(file, _known(file, named[0]).members[named[1]])
    except BaseException as error:
        file.close()
        if isinstance(error, KeyError):
            raise FileNotFoundError(f"{named[0]} has no member {named[1]}") from None
        raise


class MemberFile(io.RawIOBase):
    """Read one member as if it were a file; ``fileno`` is the tar's."""

    def __init__(self, file: io.FileIO, place: Place) -> None:
        super().__init__()
        self._file, self._place, self._at = file, place, 0

    @property
    def num_bytes(self) -> int:
        """Return the member's length."""
        return self._place.num_bytes

    def fileno(self) -> int:
        """Return the descriptor of the tar."""
        return self._file.fileno()

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
        data = os.pread(self.fileno(), wanted, self._place.start + self._at)
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def close(self) -> None:
        """Close the tar."""
        if not self.closed:
            self._file.close()
        super().close()


def contents(path: str) -> Contents:
    """Return the members of a tar.

    Raises:
        OSError: the file cannot be read at all.
    """
    with open_regular(path) as file:
        return _known(file, path)


_LOCK = threading.Lock()
_KNOWN: LRUCache[tuple[object, ...], Contents] = LRUCache(_NUM_KNOWN)


def _known(file: io.FileIO, path: str) -> Contents:
    """Return the members of an open tar, read once as long as it stays as it is."""
    status = os.fstat(file.fileno())
    key = (path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
    with _LOCK:
        if key not in _KNOWN:
            _KNOWN[key] = _read(file, status.st_size)
        return _KNOWN[key]


class _Bounded(tarfile.TarInfo):
    """Refuse headers that would fill the memory."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENSIONS and self.size > _MAX_HEADER_BYTES:
            raise tarfile.InvalidHeaderError("a name of more than 64 KiB")  # type: ignore[attr-defined]
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return found


def _read(file: io.FileIO, num_bytes: int) -> Contents:
    found = Contents()
    at = 0
    try:
        with tarfile.open(fileobj=file, mode="r:", tarinfo=_Bounded) as tar:
            for member in _each(tar):
                if len(found.members) + len(found.refused) >= MAX_MEMBERS:
                    found.broken = f"it has more than {MAX_MEMBERS:,} members"
                    return found
                if member.isreg() and member.offset_data + member.size > num_bytes:
                    found.broken = f"it ends in the middle of {_shown(member.name)}"
                    return found
                _take(found, member)
            at = tar.offset
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        found.broken = f"it is damaged: {error}"
        return found
    # The library takes damage after the first member for the end.
    if at < num_bytes and os.pread(file.fileno(), _BLOCK, at).strip(b"\0"):
        found.broken = f"it is damaged or cut off at byte {at:,}"
    return found


def _each(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Yield the members without keeping them, as the library would."""
    while (member := tar.next()) is not None:
        tar.members.clear()  # type: ignore[attr-defined]
        yield member


def _take(found: Contents, member: tarfile.TarInfo) -> None:
    name = member.name.removeprefix("./")
    if member.isdir() or not name.strip("./"):
        return
    refusal = _refusal(member, name)
    found.members.pop(name, None)
    if refusal:
        found.refused[_shown(name)] = refusal
    else:
        found.members[name] = Place(member.offset_data, member.size)


def _refusal(member: tarfile.TarInfo, name: str) -> tuple[str, str] | None:
    if member.issym() or member.islnk():
        return "link", "a link in a tar is not followed: store the file itself"
    if member.issparse() or not member.isreg():
        return "no_file", "it is no plain file but a device, a pipe or one with holes"
    parts = name.split("/")
    if name.startswith("/") or {"", ".", ".."} & set(parts):
        return "unusable_name", "its name leads out of the tar or nowhere"
    try:
        is_long = len(name.encode()) > MAX_NAME_BYTES
    except UnicodeEncodeError:
        return "undecodable_name", "its name is not valid UTF-8"
    if is_long or not name.isprintable():
        return "unusable_name", "its name is too long or has characters that cannot be shown"
    return None


def _shown(name: str) -> str:
    return name[:200].encode("utf-8", "backslashreplace").decode()
