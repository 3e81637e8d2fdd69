"""Keep token vectors in an SQLite file beside a collection, so that a second query costs none.

A cache and nothing more: a file a reranker and form in ``<collection>.tokens``, which may be
deleted at any time. It names the reranker's fingerprint, and an entry is found by what the
candidate *is* (its words; its content and place as the ledger has them), never by a number of the
ledger: a collection that was replaced, restored or undone finds nothing that is not its own. Each
entry has a checksum; one that does not hold counts as missing, and a damaged file is begun anew.
"""

from __future__ import annotations

import hashlib
import sqlite3
import zlib
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TypeVar

from crossmodal.encoders.rerankers.reranker import Side, Tokens
from crossmodal.errors import PathError
from crossmodal.ledger.private import as_private_as
from crossmodal.ledger.read.token_files import folder_of
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
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT);
"""
_LIMIT = "max_bytes"
_PIXELS = "image-"
_GET = "SELECT num, checksum, vectors FROM tokens WHERE key = ?"
_HAS = "SELECT 1 FROM tokens WHERE key = ?"
_PUT = "INSERT OR REPLACE INTO tokens (key, num, checksum, vectors) VALUES (?, ?, ?, ?)"
_DELETE_OLDER_HALF = """
DELETE FROM tokens WHERE place <= (SELECT (min(place) + max(place)) / 2 FROM tokens)
"""
# What gave way is lacking again, whatever the file was filled from (``due.basis_of``).
_DELETE_BASES = "DELETE FROM about WHERE name LIKE 'basis-%'"


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

    @classmethod
    def at(cls, path: Path) -> TokenCache:
        """Return the cache of a file, by its name."""
        fingerprint, _, form = path.stem.partition("-")
        return cls(Path(path.parent.with_suffix("")), fingerprint, TokenForm.of(form))

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
        with suppress(OSError, sqlite3.Error):
            self._write(coded)
        return {key: self._form.read(num, code) for key, (num, code) in coded.items()}

    def keep(self, tokens: Mapping[str, Tokens]) -> None:
        """Keep token vectors.

        Raises:
            PathError: they cannot be written.
        """
        try:
            self._write({key: self._form.coded(one) for key, one in tokens.items()})
        except (OSError, sqlite3.Error) as error:
            raise self._refused(error) from error

    def lacking(self, keys: Iterable[str]) -> list[str]:
        """Return which of these are not kept; their vectors are not read."""
        asked = list(keys)
        if not self.path.is_file():
            return asked
        known = self._within(
            lambda con: {key for key in asked if con.execute(_HAS, [key]).fetchone()}
        )
        return [key for key in asked if key not in (known or ())]

    def sweep(self, keys: Container[str], *, pixels: bool) -> int:
        """Forget every entry but these, and return how many went; their bytes are overwritten.

        ``pixels``: also those that are known by their pixels alone, which a training keeps.

        Raises:
            PathError: the file cannot be written.
        """

        def swept(con: sqlite3.Connection) -> int:
            found = [key for (key,) in con.execute("SELECT key FROM tokens") if key not in keys]
            gone = [(key,) for key in found if pixels or not key.startswith(_PIXELS)]
            con.executemany("DELETE FROM tokens WHERE key = ?", gone)
            return len(gone)

        try:
            return self._run(swept)
        except (OSError, sqlite3.Error) as error:
            raise self._refused(error) from error

    def about(self) -> dict[str, str]:
        """Return what was noted of the file."""
        if not self.path.is_file():
            return {}
        return self._within(lambda con: dict(con.execute("SELECT name, value FROM about"))) or {}

    def note(self, **values: object) -> None:
        """Note something of the file, such as which state of the ledger it was filled from.

        Raises:
            PathError: it cannot be written.
        """
        rows = [(name, str(value)) for name, value in values.items()]
        try:
            self._run(lambda con: con.executemany("REPLACE INTO about VALUES (?, ?)", rows))
        except (OSError, sqlite3.Error) as error:
            raise self._refused(error) from error

    @property
    def max_bytes(self) -> int:
        """Return beyond how much the older half gives way."""
        return int(self.about().get(_LIMIT, self._max_bytes))

    def _write(self, coded: Mapping[str, tuple[int, bytes]]) -> None:
        rows = [(key, num, zlib.crc32(code), code) for key, (num, code) in coded.items()]
        self._run(lambda con: self._written(con, rows))

    def _written(self, con: sqlite3.Connection, rows: Sequence[tuple[object, ...]]) -> None:
        """Write rows; where the file is full the older half gives way, and its pages are used."""
        con.executemany(_PUT, rows)
        pages, free, size = (
            con.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_count", "freelist_count", "page_size")
        )
        limit = con.execute("SELECT value FROM about WHERE name = ?", [_LIMIT]).fetchone()
        if (pages - free) * size > int(limit[0] if limit else self._max_bytes):
            con.execute(_DELETE_OLDER_HALF)
            con.execute(_DELETE_BASES)

    def _within(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what work finds; None without the file, or where it is locked for long."""
        try:
            return self._run(work)
        except (OSError, sqlite3.Error):
            return None

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Return what work does in one transaction; a damaged file is taken away."""
        with as_private_as(self.path.parent.with_suffix("")):
            self.path.parent.mkdir(exist_ok=True)
            try:
                with closing(sqlite3.connect(self.path, timeout=_WAIT_S)) as con, con:
                    con.execute("PRAGMA synchronous = NORMAL")
                    # Also what gives way: a later `forget` would not find its bytes any more.
                    con.execute("PRAGMA secure_delete = ON")
                    con.executescript(_SCHEMA)
                    return work(con)
            except sqlite3.OperationalError:  # locked, read-only, or the disk is full
                raise
            except sqlite3.DatabaseError:
                with suppress(OSError):
                    self.path.unlink()
                raise

    def _refused(self, error: Exception) -> PathError:
        return PathError(
            f"token vectors cannot be kept in {self.path} ({error}): what is there stays; make "
            "room, or let this user write there, and run the same again"
        )

    def _rows(self, con: sqlite3.Connection, keys: Iterable[str]) -> dict[str, Tokens]:
        found = {}
        for key in keys:
            row = con.execute(_GET, [key]).fetchone()
            if row and zlib.crc32(row[2]) == row[1]:
                found[key] = self._form.read(row[0], row[2])
        return found


def all_of(collection: Path) -> list[TokenCache]:
    """Return the token vectors of all rerankers and forms beside a collection, as caches."""
    return [TokenCache.at(path) for path in sorted(folder_of(collection).glob("*.sqlite"))]


def release(collection: Path, fingerprint: str) -> None:
    """Take away the token vectors of a reranker, in whichever form."""
    for path in folder_of(collection).glob(f"{fingerprint[:32]}*"):
        path.unlink(missing_ok=True)
