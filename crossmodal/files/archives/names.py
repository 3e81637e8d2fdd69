"""Know archives, and what lies in them, by their names alone.

A member is named like a file in a folder, ``/data/shard-0.tar/000.jpg``: no file can have another
below it, so nothing else is meant. A folder may have an archive's name; whoever opens one asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

Kind = Literal["tar", "gzip", "bzip2", "xz", "zstd", "parquet"]

_KINDS: dict[str, Kind] = {
    ".tar": "tar",
    ".tar.gz": "gzip",
    ".tgz": "gzip",
    ".tar.bz2": "bzip2",
    ".tbz2": "bzip2",
    ".tar.xz": "xz",
    ".txz": "xz",
    ".tar.zst": "zstd",
    ".tzst": "zstd",
    ".parquet": "parquet",
}
SUFFIXES = "(?:" + "|".join(re.escape(suffix) for suffix in _KINDS) + ")"
"""As a regular expression, for Python and DuckDB; letter case aside."""
_BELOW = re.compile(f"{SUFFIXES}(?=/)", re.IGNORECASE)
_END = re.compile(f"{SUFFIXES}$", re.IGNORECASE)


def kind_of(path: str) -> Kind | None:
    """Return what a file is taken for by its name; None where it is no archive."""
    found = _END.search(path)
    return _KINDS[found.group().lower()] if found else None


def splits(uri: str) -> Iterator[tuple[str, str]]:
    """Yield each way of taking a path or URL for an archive and a member, the outermost first."""
    for found in _BELOW.finditer(uri):
        archive, member = uri[: found.end()], uri[found.end() + 1 :]
        if member:
            yield archive, member
