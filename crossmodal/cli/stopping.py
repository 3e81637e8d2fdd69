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
_ENDING = (signal.SIGINT, signal.SIGTERM)
_SENTENCE = (
    "crossmodal: stopped. What is committed stays; the same command goes on with what is left.\n"
)


class _Terminated(BaseException):
    """SIGTERM came."""


@contextmanager
def stopped_promptly(end: Callable[[], None]) -> Iterator[None]:
    """End the process on Ctrl-C with exit code 130, on SIGTERM with 143, within the grace.

    Args:
        end: ends what this process has started; called last, at most a second's work.
    """
    ours, heard = socket.socketpair()
    heard.setblocking(False)
    threading.Thread(target=_watch, args=(ours, end), daemon=True, name="stopping").start()
    before = signal.set_wakeup_fd(heard.fileno(), warn_on_full_buffer=False)
    terminating = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    except KeyboardInterrupt:
        _leave(signal.SIGINT, end)
    except _Terminated:
        _leave(signal.SIGTERM, end)
    finally:
        signal.set_wakeup_fd(before)
        signal.signal(signal.SIGTERM, terminating)
        heard.close()


def _watch(ours: socket.socket, end: Callable[[], None]) -> None:
    """Wait for a signal that ends; then for the process, and no longer than the grace."""
    while told := ours.recv(1):
        if told[0] in _ENDING:
            _say_once()
            time.sleep(GRACE_S)
            _leave(told[0], end)


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


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated
