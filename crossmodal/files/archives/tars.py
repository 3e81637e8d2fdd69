"""Read the headers of a tar, such as a shard of WebDataset, without its content.

Owns which members are files that may be read: no links, devices, or names that lead elsewhere; of a
tar that is damaged or ends in the middle, what is whole. Headers and members are limited in number
and size.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, NamedTuple

MAX_MEMBERS = 200_000
"""Of one tar: WebDataset's shards have some ten thousand."""
MAX_NAME_BYTES = 1024
_MAX_HEADER_BYTES = 1 << 16
_BLOCK = 512
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
    """Hold what an archive has, as far as it can be read."""

    members: dict[str, Place] = field(default_factory=dict)
    """By name; of several of one name the last counts, as it does for tar."""
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)
    """By name, the reason and what to say: links, devices, names that lead elsewhere."""
    broken: str = ""
    """Why nothing is known of what may come after the members; empty for a whole archive."""
    is_table: bool = False
    """Whether it is no archive but a table: a Parquet file without media in its rows."""


class _Bounded(tarfile.TarInfo):
    """Refuse headers that would fill the memory."""

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _EXTENSIONS and self.size > _MAX_HEADER_BYTES:
            raise tarfile.InvalidHeaderError("a name of more than 64 KiB")  # type: ignore[attr-defined]
        found: tarfile.TarInfo = super()._proc_member(tar)  # type: ignore[misc]
        return found


def read_headers(file: IO[bytes], num_bytes: int) -> Contents:
    """Return the members of a tar that can be sought in.

    Raises:
        OSError: the file cannot be read.
    """
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
    if at < num_bytes and _block_at(file, at).strip(b"\0"):
        found.broken = f"it is damaged or cut off at byte {at:,}"
    return found


def _block_at(file: IO[bytes], at: int) -> bytes:
    file.seek(at)
    return file.read(_BLOCK)


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
