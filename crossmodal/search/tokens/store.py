"""Keep token vectors in an SQLite file beside a collection, so that a second query costs none.

A cache and nothing more: a file a reranker and form in ``<collection>.tokens``, which may be
deleted at any time. It names the reranker's fingerprint, and an entry is found by what the
candidate *is* (its words; its content and place as the ledger has them), never by a number of the
ledger: a collection that was replaced, restored or undone finds nothing that is not its own. Each
entry has a checksum; one that does not hold counts as missing, and a damaged file is begun anew.
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

from crossmodal.encoders.rerankers.reranker import Side, Tokens
from crossmodal.ledger.private import as_private_as
from crossmodal.search.tokens.codes import TokenForm

T = TypeVar("T")

MAX_BYTES = 4_000_000_000
"""Beyond so much the oldest entries give way."""
PLAIN = TokenForm()
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
    """Return the name of what a candidate is: a digest of its words or its pixels."""
    digest = hashlib.sha256(side.text.encode("utf-8", "surrogatepass"))
    if side.picture is not None:
        digest = hashlib.sha256(repr(side.picture.size).encode())
        digest.update(side.picture.tobytes())
    return f"{side.modality}-{digest.hexdigest()}"


class TokenCache:
    """Keep token vectors of one reranker in one form; safe between threads and processes."""

    def __init__(
        self,
        collection: Path,
        fingerprint: str,
        form: TokenForm = PLAIN,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        # What was kept before there were forms is float16, and stays known.
        name = fingerprint[:32] + (f"-{form.name}" if form != PLAIN else "")
        self.path = folder_of(collection) / f"{name}.sqlite"
        self._form, self._max_bytes = form, max_bytes

    @property
    def num_bytes(self) -> int:
        """Return what it takes on disk."""
        return self.path.stat().st_size if self.path.is_file() else 0

    def get(self, keys: Iterable[str]) -> dict[str, Tokens]:
        """Return what is kept of these, without what does not hold its checksum."""
        if not self.path.is_file():
            return {}
        return self._within(lambda con: self._rows(con, keys)) or {}

    def put(self, tokens: Mapping[str, Tokens]) -> dict[str, Tokens]:
        """Keep token vectors and return them as they are read from now on.

        Where the file cannot be written nothing is kept, and they are returned all the same.
        """
        coded = {key: self._form.coded(one) for key, one in tokens.items()}
        rows = [(key, num, zlib.crc32(code), code) for key, (num, code) in coded.items()]
        with suppress(OSError):
            with as_private_as(self.path.parent.with_suffix("")):
                self.path.parent.mkdir(exist_ok=True)
            self._within(lambda con: self._written(con, rows))
        return {key: self._form.read(num, code) for key, (num, code) in coded.items()}

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

    def _rows(self, con: sqlite3.Connection, keys: Iterable[str]) -> dict[str, Tokens]:
        found = {}
        for key in keys:
            row = con.execute(_GET, [key]).fetchone()
            if row and zlib.crc32(row[2]) == row[1]:
                found[key] = self._form.read(row[0], row[2])
        return found


def folder_of(collection: Path) -> Path:
    """Return where the token vectors of a collection lie."""
    return Path(f"{os.fspath(collection)}.tokens")


def num_bytes_beside(collection: Path) -> int:
    """Return what the token vectors of all rerankers take beside a collection."""
    return sum(file.stat().st_size for file in folder_of(collection).glob("*.sqlite*"))
