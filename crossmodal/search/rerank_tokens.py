"""Keep the token vectors of candidates beside a collection, so that a second query costs none.

A cache and nothing more: an SQLite file a reranker in ``<collection>.tokens``, which may be deleted
at any time. It names the reranker's fingerprint, and an entry is found by what the candidate *is*
(its words, its pixels), never by a number of the ledger: a collection that was replaced, restored
or undone finds nothing that is not its own. Each entry has a checksum; one that does not hold
counts as missing, and a damaged file is begun anew.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np

from crossmodal.encoders.rerankers.reranker import Side, Tokens
from crossmodal.ledger.private import as_private_as

T = TypeVar("T")

MAX_BYTES = 4_000_000_000
"""Beyond so much the oldest entries give way."""
_WAIT_S = 2.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (
    place INTEGER PRIMARY KEY, key TEXT UNIQUE, num INTEGER, checksum INTEGER, vectors BLOB
);
"""
_GET = "SELECT num, checksum, vectors FROM tokens WHERE key = ?"
_PUT = "INSERT OR REPLACE INTO tokens (key, num, checksum, vectors) VALUES (?, ?, ?, ?)"
_DELETE_OLDER_HALF = """
DELETE FROM tokens WHERE place <= (SELECT (min(place) + max(place)) / 2 FROM tokens)
"""


def key_of(side: Side) -> str:
    """Return the name of what a candidate is: a digest of its words and its pixels."""
    digest = hashlib.sha256(side.text.encode("utf-8", "surrogatepass"))
    if side.picture is not None:
        digest = hashlib.sha256(repr(side.picture.size).encode())
        digest.update(side.picture.tobytes())
    return f"{side.modality}-{digest.hexdigest()}"


class TokenCache:
    """Keep token vectors of one reranker; safe between threads and processes."""

    def __init__(self, collection: Path, fingerprint: str, max_bytes: int = MAX_BYTES) -> None:
        self.path = Path(f"{os.fspath(collection)}.tokens") / f"{fingerprint[:32]}.sqlite"
        self._max_bytes = max_bytes

    @property
    def num_bytes(self) -> int:
        """Return what it takes on disk."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def get(self, keys: Iterable[str]) -> dict[str, Tokens]:
        """Return what is kept of these, without what does not hold its checksum."""
        if not self.path.is_file():
            return {}
        return self._within(lambda con: _rows(con, keys)) or {}

    def put(self, tokens: Mapping[str, Tokens]) -> None:
        """Keep token vectors; where the file cannot be written nothing is kept."""
        coded = {key: one.tobytes() for key, one in tokens.items()}
        rows = [(key, len(tokens[key]), zlib.crc32(code), code) for key, code in coded.items()]
        with suppress(OSError):
            with as_private_as(self.path.parent.with_suffix("")):
                self.path.parent.mkdir(exist_ok=True)
            self._within(lambda con: self._written(con, rows))

    def _written(self, con: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
        """Write rows; where the file is full the older half gives way, and its pages are used."""
        con.executemany(_PUT, rows)
        pages, free, size = (
            con.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        if (pages - free) * size > self._max_bytes:
            con.execute(_DELETE_OLDER_HALF)

    def _within(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what work does in one transaction; None without the file, which may be damaged."""
        try:
            with closing(sqlite3.connect(self.path, timeout=_WAIT_S)) as con, con:
                con.execute("PRAGMA synchronous = NORMAL")
                con.executescript(_SCHEMA)
                return work(con)
        except sqlite3.OperationalError:  # locked for long, or read-only: do without
            return None
        except sqlite3.DatabaseError:
            with suppress(OSError):
                self.path.unlink()
            return None


def _rows(con: sqlite3.Connection, keys: Iterable[str]) -> dict[str, Tokens]:
    found = {}
    for key in keys:
        row = con.execute(_GET, [key]).fetchone()
        if row and row[0] and zlib.crc32(row[2]) == row[1]:
            found[key] = np.frombuffer(row[2], np.float16).reshape(row[0], -1)
    return found


def num_bytes_beside(collection: Path) -> int:
    """Return what the token vectors of all rerankers take beside a collection."""
    folder = Path(f"{os.fspath(collection)}.tokens")
    return sum(file.stat().st_size for file in folder.glob("*.sqlite*"))
