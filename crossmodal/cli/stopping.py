"""Let Ctrl-C and SIGTERM end a command with one sentence, soon, whatever it is in the middle of.

A signal's Python handler waits until the main thread is back from native code, which may be a whole
forward pass, and the threads of native libraries say a great deal when Python ends below them. So a
thread of ours hears of the signal at once, says the one sentence, silences the rest, and ends the
process where it has not ended by itself. Invariant: only whole shards are ever in the collection,
since each is one transaction, so no moment is a wrong one to end.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

GRACE_S = 3.5
"""For the run to be closed in the ledger and in Prefect; a person waits for five seconds."""
_HEARD_S = 0.1
"""For a signal to be heard of that came with the error of a process that it ended too."""
_ENDING = (signal.SIGINT, signal.SIGTERM)
_SENTENCE = (
    "crossmodal: stopped. What is committed stays; the same command goes on with what is left.\n"
)


class _Terminated(BaseException):
    """SIGTERM came."""


class _Told:
    """Hold the signal that ends the process, once one came."""

    def __init__(self) -> None:
        self.number = 0
        self.heard = threading.Event()


@contextmanager
def stopped_promptly(end: Callable[[], None]) -> Iterator[None]:
    """End the process on Ctrl-C with exit code 130, on SIGTERM with 143, within the grace.

    A shell's job in the background is begun deaf to Ctrl-C. Daft would heed one even so, and give
    fewer rows than it was asked for, so the process is not left deaf.

    Args:
        end: ends what this process has started; called last, at most a second's work.
    """
    ours, heard = socket.socketpair()
    heard.setblocking(False)
    told = _Told()
    threading.Thread(target=_watch, args=(ours, end, told), daemon=True, name="stopping").start()
    before = signal.set_wakeup_fd(heard.fileno(), warn_on_full_buffer=False)
    terminating = signal.signal(signal.SIGTERM, _raise)
    interrupting = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        _leave(signal.SIGINT, end)
    except _Terminated:
        _leave(signal.SIGTERM, end)
    except BaseException:
        # A signal to the whole group ends children as well, and their loss may be the error.
        if told.heard.wait(_HEARD_S):
            _leave(told.number, end)
        raise
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGTERM, terminating)
        signal.signal(signal.SIGINT, interrupting)
        heard.close()


def _watch(ours: socket.socket, end: Callable[[], None], told: _Told) -> None:
    """Wait for a signal that ends; then for the process, and no longer than the grace."""
    while heard := ours.recv(1):
        if heard[0] in _ENDING:
            _say_once()
            told.number = heard[0]
            told.heard.set()
            time.sleep(GRACE_S)
            _leave(heard[0], end)


def _say_once() -> None:
    """Say the sentence and silence standard error, for whatever else would be said there."""
    os.write(2, b"\n" * sys.stderr.isatty() + _SENTENCE.encode())
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _leave(number: int, end: Callable[[], None]) -> NoReturn:
    """End at once: to finalise Python under threads at work is what aborts."""
    try:
        end()
    finally:
        os._exit(128 + number)


def leave_threads(code: int) -> None:
    """End at once where a collection that was not waited for is still asked; else do nothing.

    A thread that waits for the network or a lock, or loads a model, cannot be ended, only left.
    """
    asking = sys.modules.get("crossmodal.search.federation.asking")
    if asking is not None and asking.is_working():
        sys.stdout.flush()
        os._exit(code)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated
