"""Keep what lies beside a collection as closed to others as the collection is.

DuckDB's log of the last transaction holds the same paths and words as the collection itself, and is
made by DuckDB with whatever permissions the process gives. These belong to the whole process, so
they are narrowed for as long as any thread needs that, and never widened.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_GROUP, _OTHERS = 0o070, 0o007
_lock = threading.Lock()
_asked: list[int] = []
_before = 0


@contextmanager
def as_private_as(path: Path) -> Iterator[None]:
    """Make new files and folders closed to group and others where these may not read ``path``.

    A file that is not there yet counts as its owner's alone.
    """
    mask = _closed_to(path)
    _narrow(mask)
    try:
        yield
    finally:
        _widen(mask)


def _closed_to(path: Path) -> int:
    try:
        mode = path.stat().st_mode
    except OSError:
        return _GROUP | _OTHERS
    return (0 if mode & 0o040 else _GROUP) | (0 if mode & 0o004 else _OTHERS)


def _narrow(mask: int) -> None:
    global _before
    with _lock:
        _asked.append(mask)
        known = os.umask(0o077)
        if len(_asked) == 1:
            _before = known
        os.umask(_wanted())


def _widen(mask: int) -> None:
    with _lock:
        _asked.remove(mask)
        os.umask(_wanted())


def _wanted() -> int:
    wanted = _before
    for mask in _asked:
        wanted |= mask
    return wanted
