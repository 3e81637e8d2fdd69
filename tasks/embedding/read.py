"""Read the bytes of one source, whole, and make sure they are the planned ones.

Owns the size limit, the retries and the hash check; refuses to look at the content. Bytes leave
only if they have the SHA-256 that the plan recorded, so that a vector never belongs to a content
that its row does not name.
"""

from __future__ import annotations

import hashlib
import random
import re
import time
from pathlib import Path

from tasks.chunking.refusal import Refused
from tasks.errors import is_transient

NUM_ATTEMPTS = 3
_FIRST_DELAY_S = 0.1
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def is_remote(uri: str) -> bool:
    """Say whether the source lies behind a URL."""
    return _SCHEME.match(uri) is not None


def read_source(uri: str, max_bytes: int, content_hash: str | None = None) -> bytes:
    """Return the bytes of a local path or a URL.

    Raises:
        Refused: It is missing, unreadable, too large, or not what was planned.
    """
    data = _read_with_retries(uri, max_bytes)
    if len(data) > max_bytes:
        raise Refused("too_large", f"more than {max_bytes:,} bytes, which is the limit")
    if content_hash and hashlib.sha256(data).hexdigest() != content_hash:
        raise Refused(
            "changed_while_indexing",
            "its content is no longer what the plan saw; the next run takes it up",
            transient=True,
        )
    return data


def _read_with_retries(uri: str, max_bytes: int) -> bytes:
    for attempt in range(1, NUM_ATTEMPTS + 1):
        try:
            return _read(uri, max_bytes + 1)
        except Exception as error:  # object stores raise types of their own
            if _is_missing(uri, error):
                message = "it was there when the run began"
                raise Refused("missing", message, transient=True) from error
            lost = _is_lost(uri, error)
            if not lost or attempt == NUM_ATTEMPTS:
                raise _unreadable(error, transient=lost) from error
            time.sleep(_FIRST_DELAY_S * 2**attempt * random.uniform(0.5, 1.5))
    raise AssertionError("the last attempt returns or raises")


def _read(uri: str, num_bytes: int) -> bytes:
    if not is_remote(uri):
        with Path(uri).open("rb") as stream:
            return stream.read(num_bytes)
    import fsspec

    filesystem = fsspec.filesystem(uri.partition("://")[0].lower())
    with filesystem.open(uri, "rb") as stream:
        data: bytes = stream.read(num_bytes)
    return data


def _is_missing(uri: str, error: Exception) -> bool:
    if not isinstance(error, FileNotFoundError):
        return False
    # fsspec says "not found" of a web server whatever went wrong; the status behind it tells.
    return not uri.startswith("http") or getattr(error.__cause__, "status", None) in (404, 410)


def _is_lost(uri: str, error: Exception) -> bool:
    """Say whether the connection, rather than the file, is at fault."""
    if is_remote(uri) and not isinstance(error, PermissionError):
        return is_transient(error) or not isinstance(error, OSError) or error.errno is None
    return is_transient(error)


def _unreadable(error: Exception, *, transient: bool) -> Refused:
    reason = "unreadable" if isinstance(error, PermissionError) else "read_failed"
    return Refused(reason, f"{type(error).__name__}: {error}"[:300], transient=transient)
