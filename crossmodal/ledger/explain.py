"""Turn what DuckDB and the operating system say about the file into errors that help.

Owns the wording; decides nothing else. A message names the collection, what is wrong with it and
what to do next. DuckDB errors that are not about the file (a bug in our SQL) are left alone.
"""

from __future__ import annotations

import errno
from pathlib import Path

import duckdb

from crossmodal.errors import (
    CollectionBusy,
    CollectionError,
    CollectionTooNew,
    CollectionUnreadable,
)

_FULL = (
    "{path}: the disk is full ({said}). Nothing of this transaction was kept, what was committed "
    "before is safe: free some space and run the same command again"
)
_DENIED = (
    "{path} may not be opened ({said}): give this user read and write permission on the file and "
    "on its folder, or name another with --collection"
)
_READ_ONLY = (
    "{path} lies on a read-only file system ({said}): it can be searched there but not changed; "
    "copy it to a writable folder"
)
NOT_DUCKDB = "{path} is not a DuckDB file: name another with --collection, or move that file away"
_BUSY = (
    "{path} is open in another program ({said}): close that program, or wait until it has finished"
)
_TOO_NEW = "{path} was written by a later DuckDB ({said}): upgrade with `pip install -U duckdb`"
_OTHER = "{path} cannot be used ({said}): restore it from a copy, or index into a new file"

_KINDS: tuple[tuple[str, type[CollectionError], str], ...] = (
    ("Conflicting lock", CollectionBusy, _BUSY),
    ("No space left", CollectionError, _FULL),
    ("File too large", CollectionError, _FULL),
    ("quota exceeded", CollectionError, _FULL),
    ("Permission denied", CollectionUnreadable, _DENIED),
    ("Operation not permitted", CollectionUnreadable, _DENIED),
    ("Read-only file system", CollectionUnreadable, _READ_ONLY),
    ("not a valid DuckDB database file", CollectionUnreadable, NOT_DUCKDB),
    ("Corrupt database file", CollectionUnreadable, _OTHER),
    ("read a database file with storage version", CollectionTooNew, _TOO_NEW),
)
_ABOUT_THE_FILE = (
    duckdb.IOException,
    duckdb.FatalException,
    duckdb.PermissionException,
    duckdb.SerializationException,
)


def explain_duckdb(error: duckdb.Error, path: Path) -> CollectionError | None:
    """Return the error to raise instead, or None where the file is not to blame."""
    said = str(error).strip()
    for words, kind, message in _KINDS:
        if words in said:
            return kind(message.format(path=path, said=_first_line(said)))
    if isinstance(error, _ABOUT_THE_FILE):
        return CollectionUnreadable(_OTHER.format(path=path, said=_first_line(said)))
    return None


def explain_os(error: OSError, path: Path) -> CollectionError:
    """Return the error to raise when the collection's folder or lock file cannot be used."""
    said = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return CollectionError(_FULL.format(path=path, said=said))
    if error.errno in (errno.EACCES, errno.EPERM):
        return CollectionUnreadable(_DENIED.format(path=path, said=said))
    if error.errno == errno.EROFS:
        return CollectionUnreadable(_READ_ONLY.format(path=path, said=said))
    return CollectionUnreadable(f"{path} cannot be used ({said}): name another with --collection")


def _first_line(said: str) -> str:
    return said.splitlines()[0][:300] if said else "no message"
