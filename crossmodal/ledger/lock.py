"""Let one writer or many readers at a collection, across processes and threads.

Owns two empty files beside the database: ``<db>.lock``, held shared or exclusive, and
``<db>.gate``, where everyone queues for it, so that a stream of readers cannot starve a writer.
The operating system frees both when a process dies. Not reentrant: a thread that holds one of
these and asks for another may wait for itself until the timeout.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from crossmodal.errors import CollectionBusy
from crossmodal.ledger.explain import explain_os

Waited = Callable[[float], None]
"""Hears how many seconds a lock was waited for, once it is had."""
_NOTICED_S = 0.002
"""Less is what taking a free lock costs."""


def unheard(seconds: float) -> None:
    """Tell nobody of a wait."""


def shared(
    db: Path, timeout_s: float = 600, waited: Waited = unheard
) -> AbstractContextManager[None]:
    """Hold off writers; readers go together.

    Where no lock file can be made (a read-only file system) nothing is held: nobody can write.

    Raises:
        CollectionBusy: a writer held the lock for longer than ``timeout_s``.
    """
    return _locked(db, fcntl.LOCK_SH, timeout_s, waited)


def exclusive(
    db: Path, timeout_s: float = 600, waited: Waited = unheard
) -> AbstractContextManager[None]:
    """Hold off everyone else.

    Raises:
        CollectionBusy: someone held the lock for longer than ``timeout_s``.
        CollectionUnreadable: no lock file can be made beside the database.
    """
    return _locked(db, fcntl.LOCK_EX, timeout_s, waited)


@contextmanager
def _locked(db: Path, mode: int, timeout_s: float, waited: Waited) -> Iterator[None]:
    asked = time.monotonic()
    deadline = asked + timeout_s
    with _opened(db, ".gate", mode) as gate, _opened(db, ".lock", mode) as lock:
        if gate is None or lock is None:
            yield
            return
        try:
            with _held(gate, fcntl.LOCK_EX, deadline):
                _acquire(lock, mode, deadline)
        except TimeoutError as error:
            raise CollectionBusy(_busy(db, lock, timeout_s)) from error
        if (seconds := time.monotonic() - asked) > _NOTICED_S:
            waited(seconds)
        try:
            _sign(lock, mode)
            yield
        finally:
            _release(lock, mode)


@contextmanager
def _opened(db: Path, suffix: str, mode: int) -> Iterator[int | None]:
    """Yield the lock file's descriptor; None where a reader has to do without."""
    try:
        descriptor = _open(f"{db}{suffix}")
    except OSError as error:
        if mode == fcntl.LOCK_EX:
            raise explain_os(error, db) from error
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(path: str) -> int:
    """Open the lock file, making it; one that belongs to another user may be locked as well."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except PermissionError:
        if not os.path.exists(path):
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


@contextmanager
def _held(descriptor: int, mode: int, deadline: float) -> Iterator[None]:
    _acquire(descriptor, mode, deadline)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _acquire(descriptor: int, mode: int, deadline: float) -> None:
    """Poll for the lock: a blocking flock could neither time out nor be interrupted."""
    while True:
        try:
            fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise TimeoutError from None
            time.sleep(random.uniform(0.002, 0.02))
        else:
            return


def _sign(lock: int, mode: int) -> None:
    """Let a writer leave its name in the lock file, for the message of whoever waits in vain."""
    if mode == fcntl.LOCK_EX:
        since = datetime.now(UTC).isoformat(timespec="seconds")
        name = f"process {os.getpid()} on {socket.gethostname()}, since {since}"
        with suppress(OSError):
            os.ftruncate(lock, 0)
            os.pwrite(lock, name.encode(), 0)


def _release(lock: int, mode: int) -> None:
    if mode == fcntl.LOCK_EX:
        with suppress(OSError):
            os.ftruncate(lock, 0)
    fcntl.flock(lock, fcntl.LOCK_UN)


def _busy(db: Path, lock: int, timeout_s: float) -> str:
    holder = os.pread(lock, 200, 0).decode(errors="replace") or "programs that read it"
    return (
        f"{db} is busy: waited {timeout_s:g} s for {holder}. "
        "Wait until that has finished, or stop it, then run the same command again"
    )
