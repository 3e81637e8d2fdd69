"""Read a collection's file again and again without making a DuckDB for each time.

To make an instance of DuckDB takes 13 ms of the processor, to attach a file to one 3. So a process
keeps an instance in memory for each of the few collections that it read last, and attaches the file
while somebody reads it. Owns the instances. Invariant: between reads no file is open, so that
writers of other processes have it to themselves; an instance that met an error is not used again.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from crossmodal.ledger.interrupts import signals_heeded

# Nothing may be fetched from the network behind the user's back, and unit vectors do not compress.
SETTINGS = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "force_compression": "uncompressed",
}
_MAX_IDLE = 4
"""Instances kept beside those in use; each has threads, which sleep."""
_NAME = "collection"
_IS_ATTACHED = f"SELECT 1 FROM duckdb_databases() WHERE database_name = '{_NAME}'"


class _Instance:
    """Hold a DuckDB in memory to which one file is attached while it has readers."""

    def __init__(self, path: Path) -> None:
        spill = f"{path}.tmp"  # as if the file had been opened by itself
        self.con = duckdb.connect(config=SETTINGS | {"temp_directory": spill})
        self.num_readers = 0
        self.is_sound = True
        self.lock = threading.Lock()

    def enter(self, path: Path) -> None:
        with self.lock:
            if not self.num_readers:
                quoted = str(path).replace("'", "''")
                _run(self.con, f"ATTACH '{quoted}' AS {_NAME} (READ_ONLY)")
            self.num_readers += 1

    def leave(self) -> None:
        with self.lock:
            self.num_readers -= 1
            if self.num_readers:
                return
            try:
                _run(self.con, f"DETACH {_NAME}")
            except duckdb.Error:  # as after a damaged block; closed, it lets go of the file
                self.is_sound = False

    def cursor(self) -> duckdb.DuckDBPyConnection:
        with self.lock:
            cursor = self.con.cursor()
        _run(cursor, f"USE {_NAME}")
        return cursor


class _Instances:
    """Hold the instances of a process by path, those used last at the end."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[Path, _Instance] = OrderedDict()
        self._num_users: dict[_Instance, int] = {}

    def take(self, path: Path) -> _Instance:
        """Return the instance for a path, counted as in use."""
        with self._lock:
            known = self._held.get(path)
            instance = known if known and known.is_sound else _Instance(path)
            self._held[path] = instance
            self._held.move_to_end(path)
            self._num_users[instance] = self._num_users.get(instance, 0) + 1
            return instance

    def give_back(self, path: Path, instance: _Instance) -> None:
        """Let go of an instance; the last user of one that met an error closes it."""
        with self._lock:
            if not instance.is_sound and self._held.get(path) is instance:
                del self._held[path]
            self._num_users[instance] -= 1
            if not self._num_users[instance]:
                del self._num_users[instance]
            idle = [known for known in self._held if self._held[known] not in self._num_users]
            surplus = [self._held.pop(known) for known in idle[: max(0, len(idle) - _MAX_IDLE)]]
            is_over = not instance.is_sound and instance not in self._num_users
        for each in [*surplus, *([instance] if is_over else [])]:
            each.con.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            for instance in self._held.values():
                if instance not in self._num_users:
                    instance.con.close()
            self._held.clear()


_instances = _Instances()
_of_parent: list[_Instances] = []


@contextmanager
def attached(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection that reads a file; hold a shared lock of the collection around it.

    Raises:
        duckdb.Error: the file cannot be opened.
    """
    instance = _instances.take(path)
    try:
        instance.enter(path)
        try:
            con = instance.cursor()
            try:
                yield con
            finally:
                con.close()
        finally:
            instance.leave()
    except duckdb.IOException:  # somebody else has the file open, say
        raise
    except BaseException:
        instance.is_sound = False
        raise
    finally:
        _instances.give_back(path, instance)


def cursor_of(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return another connection to what one reads, for another thread or names of its own."""
    cursor = con.cursor()
    if cursor.execute(_IS_ATTACHED).fetchall():
        _run(cursor, f"USE {_NAME}")
    return cursor


def _run(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    with signals_heeded(con):
        con.execute(sql).fetchall()


def _leave_to_parent() -> None:
    """Begin anew in a forked child, which has the instances without their threads."""
    global _instances
    _of_parent.append(_instances)  # for ever, as nobody can close them here
    _instances = _Instances()


atexit.register(lambda: _instances.close())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
