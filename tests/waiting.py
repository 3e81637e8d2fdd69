"""Wait for what other processes do: look again and again until it is so, however slow the machine.

Bounds here end a test that would hang; none of them says how fast anything has to be.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
PATIENCE_S = 300.0
"""Many times what anything here takes on an idle machine."""


def eventually(
    look: Callable[[], T | None], timeout_s: float, what: str, pause_s: float = 0.2
) -> T:
    """Look until there is something to see, and return it.

    Raises:
        AssertionError: there was nothing to see in ``timeout_s``; it says ``what``.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not in {timeout_s:g} s: {what}")
        time.sleep(pause_s)


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on.

    It lies below those that the kernel hands to outgoing connections, which could otherwise take
    it before the server that it is meant for does.
    """
    for port in random.SystemRandom().sample(range(15_000, 30_000), 200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def end(process: subprocess.Popen[Any], grace_s: float = 20) -> None:
    """Ask a process that leads its session to end; kill what is left of the session after a grace.

    Prefect's workers now and then do not end when they are asked while a run of theirs ends.
    """
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(grace_s)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
