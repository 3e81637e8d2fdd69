"""Generator functions that the tests run in a child process."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

_HELD: list[bytes] = []


def echo(*items: Any) -> Iterator[Any]:
    yield from items


def pids(number: int = 1) -> Iterator[int]:
    for _ in range(number):
        yield os.getpid()


def modules() -> Iterator[list[str]]:
    yield sorted(sys.modules)


def loop() -> Iterator[int]:
    yield os.getpid()
    while True:
        pass


def loop_in_c() -> Iterator[int]:
    """Hold the interpreter's lock in C for longer than any test may last."""
    yield os.getpid()
    ctypes.PyDLL(None).sleep(600)


def slow_reader_friend(number: int, pause_s: float) -> Iterator[int]:
    for index in range(number):
        time.sleep(pause_s)
        yield index


def allocate(num_bytes: int) -> Iterator[int]:
    yield len(bytearray(num_bytes))


def allocate_and_abort(num_bytes: int) -> Iterator[int]:
    held = bytearray(num_bytes)
    yield len(held)
    os.abort()


def hold(num_bytes: int) -> Iterator[int]:
    _HELD.append(b"x" * num_bytes)
    yield os.getpid()


def refuse(reason: str, detail: str) -> Iterator[int]:
    from crossmodal.errors import Refused

    yield os.getpid()
    raise Refused(reason, detail, transient=True)


def stumble() -> Iterator[int]:
    yield 1
    raise ValueError("an odd byte\nat 7")


def die(signal_name: str) -> Iterator[int]:
    yield 1
    os.kill(os.getpid(), signal.Signals[signal_name])


def leave() -> Iterator[int]:
    yield 1
    os._exit(3)


def quit_politely() -> Iterator[int]:
    yield 1
    raise SystemExit(0)


def nest(depth: int) -> Iterator[int]:
    def deeper(level: int) -> int:
        return deeper(level + 1)

    yield deeper(depth)


def talk(text: str) -> Iterator[str]:
    sys.stdout.write(text)
    sys.stdout.flush()
    os.write(1, text.encode())
    os.write(2, text.encode())
    sys.stderr.write(text)
    yield repr(sys.stdin.read())


def no_plain_data() -> Iterator[Any]:
    yield lambda: None


def stamped(number: int, item_bytes: int) -> Iterator[tuple[float, bytes]]:
    """Yield items with the moment at which each was made."""
    for _ in range(number):
        yield time.monotonic(), bytes(item_bytes)
