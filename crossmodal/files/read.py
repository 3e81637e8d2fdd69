"""Read the bytes of one source, whole, and make sure they are the planned ones.

Owns the size limit, the retries and the hash check; refuses to look at the content. Bytes leave
only if they have the SHA-256 that the plan recorded, so that a vector never belongs to a content
that its row does not name.
"""

from __future__ import annotations

import hashlib
import re
from io import RawIOBase
from typing import BinaryIO

from crossmodal.errors import PathError, Refused, is_transient
from crossmodal.files.archives.opening import open_local, open_remote
from crossmodal.files.retry import with_retries

_BLOCK_BYTES = 1 << 24
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_remote(uri: str) -> bool:
    """Say whether the source lies behind a URL."""
    return _SCHEME.match(uri) is not None


def read_source(uri: str, max_bytes: int, content_hash: str | None = None) -> bytes:
    """Return the bytes of a local path or a URL.

    Raises:
        Refused: It is missing, unreadable, too large, or not what was planned.
    """
    data = _read_whole(uri, max_bytes + 1)
    if len(data) > max_bytes:
        raise Refused("too_large", f"more than {max_bytes:,} bytes, which is the limit")
    if content_hash and hashlib.sha256(data).hexdigest() != content_hash:
        raise Refused(
            "changed_while_indexing",
            "its content is no longer what the plan saw; the next run takes it up",
            transient=True,
        )
    return data


def _read_whole(uri: str, num_bytes: int) -> bytes:
    read = _read_remote if is_remote(uri) else _read_local
    try:
        return with_retries(lambda: read(uri, num_bytes))
    except (FileNotFoundError, NotADirectoryError) as error:
        message = "it was there when the run began"
        raise Refused("missing", message, transient=True) from error
    except PermissionError as error:
        raise Refused("unreadable", str(error)[:300]) from error
    except (OSError, PathError) as error:
        detail = f"{type(error).__name__}: {error}"[:300]
        raise Refused("read_failed", detail, transient=is_transient(error)) from error


def _read_local(uri: str, num_bytes: int) -> bytes:
    with open_local(uri) as file:
        return _read_blocks(file, num_bytes)


def _read_blocks(file: BinaryIO | RawIOBase, num_bytes: int) -> bytes:
    """Return up to so many bytes; a server without ranges gives fewer at a time than asked for."""
    blocks = []
    while num_bytes > 0 and (block := file.read(min(num_bytes, _BLOCK_BYTES))):
        blocks.append(block)
        num_bytes -= len(block)
    return b"".join(blocks)


def _read_remote(uri: str, num_bytes: int) -> bytes:
    from crossmodal.files.remote import with_os_errors

    def read() -> bytes:
        with open_remote(uri) as file:
            return _read_blocks(file, num_bytes)

    return with_os_errors(read)
