"""Open what is to be shown: a source's bytes, or the local file that was looked at.

Owns that a file is still the one that somebody made sure of; refuses to look inside.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from crossmodal.errors import Refused
from crossmodal.files.archives.opening import split_member
from crossmodal.files.local import open_regular
from crossmodal.files.read import is_remote, read_source

MAX_FILE_BYTES = 512_000_000


@dataclass(frozen=True, slots=True)
class LocalFile:
    """Name a file by its resolved path, and what it has to be: its device, inode and size."""

    path: str
    device: int
    inode: int
    size_bytes: int


Content = LocalFile | bytes


def content_of(uri: str) -> Content:
    """Return a source as something that can be shown: the local file as it is now, or the bytes.

    Raises:
        Refused: It cannot be read.
    """
    if is_remote(uri) or split_member(uri):
        return read_source(uri, MAX_FILE_BYTES)
    path = os.path.realpath(uri)
    try:
        found = os.stat(path)
    except OSError as error:
        raise Refused("missing", f"the file cannot be opened: {error.strerror}") from error
    return LocalFile(path, found.st_dev, found.st_ino, found.st_size)


@contextmanager
def opened(content: Content) -> Iterator[BinaryIO | bytes]:
    """Lend the bytes, or the open file.

    Raises:
        Refused: The file cannot be opened, or is no longer the one that was looked at.
    """
    if isinstance(content, bytes):
        yield content
        return
    try:
        file = open_regular(content.path)
    except OSError as error:
        raise Refused("missing", f"the file cannot be opened: {error.strerror}") from error
    with file:
        found = os.fstat(file.fileno())
        wanted = (content.device, content.inode, content.size_bytes)
        if (found.st_dev, found.st_ino, found.st_size) != wanted:
            message = "the file was replaced while it was looked at"
            raise Refused("changed", message, transient=True)
        yield file


def bytes_of(content: BinaryIO | bytes) -> bytes:
    """Return the whole content.

    Raises:
        Refused: It is too large.
    """
    data = content if isinstance(content, bytes) else content.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise Refused("too_large", f"more than {MAX_FILE_BYTES:,} bytes, which is the limit")
    return data
