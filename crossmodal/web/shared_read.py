"""Let requests that come together share one read of the collection.

To open a DuckDB file costs more than most questions to it. Invariant: a read is never joined after
``HOLD_S``, so a run that waits to commit waits for the questions in flight and no longer.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal.ledger.attached import cursor_of
from crossmodal.ledger.collection import Collection

if TYPE_CHECKING:
    import duckdb

HOLD_S = 0.25


class _Lease:
    """Hold one open read and count who uses it."""

    def __init__(self) -> None:
        self.num_users = 0
        self.closing = ExitStack()
        self.opened: Future[duckdb.DuckDBPyConnection] = Future()
        self.opened_s = float("inf")

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() < self.opened_s + HOLD_S


class SharedCollection(Collection):
    """Open a collection for many readers of one process at once; every reader has a cursor."""

    def __init__(self, path: str | Path, lock_timeout_s: float) -> None:
        super().__init__(path, lock_timeout_s)
        self._lock = threading.Lock()
        self._current: _Lease | None = None

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Yield a cursor of the read that is open, or of a new one.

        Raises:
            CollectionMissing, CollectionUnreadable, CollectionTooNew, CollectionBusy
        """
        lease, is_first = self._join()
        try:
            if is_first:
                self._open(lease)
            cursor = cursor_of(lease.opened.result())
            try:
                yield cursor
            finally:
                cursor.close()
        finally:
            self._leave(lease)

    def _join(self) -> tuple[_Lease, bool]:
        with self._lock:
            lease = self._current
            is_first = lease is None or not lease.is_fresh
            if lease is None or is_first:
                lease = self._current = _Lease()
            lease.num_users += 1
            return lease, is_first

    def _open(self, lease: _Lease) -> None:
        try:
            connection = lease.closing.enter_context(super().read())
        except BaseException as error:
            self._forget(lease)  # whoever waits for it hears the same; the next one tries anew
            lease.opened.set_exception(error)
            return
        lease.opened_s = time.monotonic()
        lease.opened.set_result(connection)

    def _leave(self, lease: _Lease) -> None:
        with self._lock:
            lease.num_users -= 1
            if lease.num_users:
                return
            if self._current is lease:
                self._current = None
        lease.closing.close()

    def _forget(self, lease: _Lease) -> None:
        with self._lock:
            if self._current is lease:
                self._current = None
