"""Own the DuckDB file: who may open it when, what a transaction is, and how it comes to be.

Nothing else in the project connects to DuckDB. A connection lives only inside ``read`` or
``write`` and holds the file lock for that long, so keep the body short and encode outside it.
Invariant: a file at ``path`` is always a whole collection; a new one is built aside and renamed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import duckdb

from crossmodal.errors import (
    CollectionBusy,
    CollectionMissing,
    CollectionTooNew,
    CollectionUnreadable,
)
from crossmodal.ledger.attached import SETTINGS, attached
from crossmodal.ledger.explain import NOT_DUCKDB, explain_duckdb, explain_os
from crossmodal.ledger.interrupts import signals_heeded
from crossmodal.ledger.lock import Waited, exclusive, shared, unheard
from crossmodal.ledger.migrations import LATEST, migrate, schema_version
from crossmodal.ledger.private import as_private_as

Opened = Callable[[Path], AbstractContextManager[duckdb.DuckDBPyConnection]]
_MODE = 0o600
_MARK, _MARK_AT = b"DUCK", 8
"""What each DuckDB file has, and behind how many bytes."""


class Collection:
    """Open one DuckDB file of vectors, safely beside other processes and threads.

    Not reentrant: a thread inside ``read`` or ``write`` must not enter another one.
    """

    def __init__(self, path: str | Path, lock_timeout_s: float = 600) -> None:
        self.path = Path(os.path.realpath(Path(path).expanduser()))
        self.lock_timeout_s = lock_timeout_s
        self.waited: Waited = unheard
        """Hears of each wait for other processes and threads."""

    @property
    def exists(self) -> bool:
        """Say whether there is a collection; an empty file, as ``mktemp`` leaves it, is none."""
        return os.path.exists(self.path) and (self.path.is_dir() or self.path.stat().st_size > 0)

    @property
    def size_bytes(self) -> int:
        """Return what the database and its write-ahead log take on disk."""
        files = (self.path, self._wal)
        return sum(file.stat().st_size for file in files if file.is_file())

    @property
    def _wal(self) -> Path:
        return Path(f"{self.path}.wal")

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a read-only connection; writers wait until it is left.

        Raises:
            CollectionMissing, CollectionUnreadable, CollectionTooNew, CollectionBusy
        """
        with ExitStack() as stack:
            con = stack.enter_context(self._reader())
            if self._version(con) < LATEST:
                stack.close()
                with self.write():
                    pass  # entering it upgrades the file
                con = stack.enter_context(self._reader())
            yield con

    @contextmanager
    def write(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a connection inside one transaction: committed on leaving, undone on an exception.

        Makes the collection, or brings its schema up to date, where needed.

        Raises:
            CollectionUnreadable, CollectionTooNew, CollectionBusy
            CollectionError: the disk is full.
        """
        self._refuse_others()
        self._make_folder()
        was_known = self._was_a_collection
        with (
            exclusive(self.path, self.lock_timeout_s, self.waited),
            as_private_as(self.path),
            self._explained(),
        ):
            if not self.exists:
                self._refuse_emptied(was_known)
                self._create()
            with self._entered(_connected, self.path) as con:
                if self._version(con) < LATEST:
                    with _transaction(con):
                        migrate(con)
                with _transaction(con):
                    yield con

    @contextmanager
    def _reader(self) -> Iterator[duckdb.DuckDBPyConnection]:
        self._refuse_others()
        if not self.exists:
            raise CollectionMissing(
                f"there is no collection at {self.path}: make one with `crossmodal index PATH...`, "
                "or name another with --collection"
            )
        with (
            shared(self.path, self.lock_timeout_s, self.waited),
            self._explained(),
            self._entered(attached, self.path) as con,
        ):
            yield con

    @contextmanager
    def _entered(self, opened: Opened, path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
        with ExitStack() as stack:
            con = self._enter(stack, opened, path)
            stack.enter_context(signals_heeded(con))
            yield con

    def _enter(self, stack: ExitStack, opened: Opened, path: Path) -> duckdb.DuckDBPyConnection:
        """Connect; a program that knows nothing of our lock (a DuckDB shell) is waited for too."""
        deadline = time.monotonic() + self.lock_timeout_s
        while True:
            try:
                return stack.enter_context(opened(path))
            except duckdb.IOException as error:
                busy = isinstance(explain_duckdb(error, path), CollectionBusy)
                if not busy or time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)

    def _create(self) -> None:
        """Build an empty collection aside: a crash half-way must not leave half a file."""
        fresh = Path(f"{self.path}.new")
        try:
            for leftover in (fresh, Path(f"{fresh}.wal"), self._wal):
                leftover.unlink(missing_ok=True)
            with self._entered(_connected, fresh) as con, _transaction(con):
                migrate(con)
            os.chmod(fresh, _MODE)  # paths, words and previews of files that may be private
            os.replace(fresh, self.path)
        except OSError as error:
            raise explain_os(error, self.path) from error

    def _version(self, con: duckdb.DuckDBPyConnection) -> int:
        version = schema_version(con)
        if version is None:
            raise CollectionUnreadable(
                f"{self.path} is a DuckDB database, but no crossmodal collection: "
                "name another file with --collection"
            )
        if version > LATEST:
            raise CollectionTooNew(
                f"{self.path} has schema {version}, this crossmodal knows up to {LATEST}: "
                "upgrade crossmodal, or index into a new file"
            )
        return version

    @property
    def _was_a_collection(self) -> bool:
        """Say whether an empty file was a collection once: what lies beside it tells."""
        log = self._wal.stat().st_size if self._wal.is_file() else 0
        return self.path.is_file() and (log > 0 or os.path.exists(f"{self.path}.lock"))

    def _refuse_emptied(self, was_known: bool) -> None:
        if was_known:
            raise CollectionUnreadable(
                f"{self.path} was a collection and is empty now: put a copy back with `crossmodal "
                f"restore COPY --replace`, or delete the empty file and {self._wal.name} to begin "
                "anew"
            )

    def _refuse_others(self) -> None:
        """Refuse a folder and somebody's own file before lock files are made beside it."""
        if self.path.is_dir():
            raise CollectionUnreadable(
                f"{self.path} is a folder: name a file, such as {self.path / 'collection.duckdb'}"
            )
        head = _head(self.path) if self.path.is_file() else b""
        if head and head[_MARK_AT:] != _MARK:
            raise CollectionUnreadable(NOT_DUCKDB.format(path=self.path))

    def _make_folder(self) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise explain_os(error, self.path) from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Re-raise what DuckDB says about the file in our own words."""
        try:
            yield
        except duckdb.Error as error:
            explained = explain_duckdb(error, self.path)
            if explained is None:
                raise
            raise explained from error


@contextmanager
def _connected(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    con = duckdb.connect(str(path), config=SETTINGS)
    try:
        yield con
    finally:
        con.close()


def _head(path: Path) -> bytes:
    """Return the first bytes of a file, as far as DuckDB's mark goes; none where it is closed."""
    with suppress(OSError), path.open("rb") as file:
        return file.read(_MARK_AT + len(_MARK))
    return b""


@contextmanager
def _transaction(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    con.execute("BEGIN")
    try:
        yield
        con.execute("COMMIT")
    except BaseException:
        # The first error is the one to report, and a failed commit has rolled back by itself.
        with suppress(duckdb.Error):
            con.execute("ROLLBACK")
        raise
