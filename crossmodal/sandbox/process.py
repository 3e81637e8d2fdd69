"""Manage one child process: start it, exchange messages with a time limit, kill and reap it.

Owns the process and its two pipes; refuses to decide when a child is used again, which the pool
does. A child that did anything but answer in time is only good for ``kill``.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crossmodal.errors import Refused
from crossmodal.sandbox.plain import Unexpected
from crossmodal.sandbox.protocol import (
    REPLY_HEAD,
    Reply,
    Request,
    num_bytes_after,
    pack_request,
    unpack_reply,
)

_COMMAND = (sys.executable, "-P", "-W", "ignore", "-m", "crossmodal.sandbox.child")
_PIPE_BYTES = 1 << 20
_AHEAD_BYTES = 1 << 16
_LONGEST_WAIT_MS = 2**31 - 1
# A machine that is busy with other work gives a parser a part of its time.
_WAIT_PER_SECOND = 5
# Of the parent's environment: where libraries lie, the language, the time zone. No secrets.
_PASSED_ON = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "LANG", "LC_ALL", "TZ")
# Parsing is one thread's work; arenas and BLAS threads would eat the limit on address space.
_ENVIRONMENT = {
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONIOENCODING": "utf-8",
}


@dataclass(slots=True)
class Allowance:
    """Hold what is left of a request's limits; only time spent waiting for the child is taken."""

    max_seconds: float
    """Of the processor; the parent waits several times as long."""
    max_memory_bytes: int
    left_s: float = 0.0

    def __post_init__(self) -> None:
        self.left_s = self.max_seconds * _WAIT_PER_SECOND

    def used_up(self) -> Refused:
        """Return the refusal of a source that takes too long."""
        message = f"parsing took longer than {self.max_seconds:g} s and was stopped"
        return Refused("timed_out", message, transient=True)


class Child:
    """Run parsers in one separate Python process; used by one thread at a time.

    Args:
        packages: Folders of the packages whose functions it may be asked to run.
    """

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.packages = packages
        paths = [path or os.getcwd() for path in sys.path]
        passed_on = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        self._files, far = socket.socketpair()
        # Until exec, a child counts as holding what its parent holds; so does its largest size.
        self._size_at_birth = _largest_bytes(resource.getrusage(resource.RUSAGE_SELF))
        # -P: a folder called tasks where the user happens to stand is not ours to import.
        self._process = subprocess.Popen(
            [*_COMMAND, str(os.getpid()), str(far.fileno()), os.pathsep.join(packages)],
            pass_fds=[far.fileno()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=passed_on | _ENVIRONMENT | {"PYTHONPATH": os.pathsep.join(paths)},
            bufsize=0,
        )
        far.close()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout
        self._ahead = bytearray()
        self.num_requests = 0
        for descriptor in (self._requests.fileno(), self._replies.fileno()):
            os.set_blocking(descriptor, False)
            _widen(descriptor)

    @property
    def pid(self) -> int:
        """Return the process id."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Return whether the process still runs."""
        return self._process.poll() is None

    def send(self, request: Request, files: Sequence[int], allowance: Allowance) -> None:
        """Send a request; its replies must be received to the end before the next.

        Args:
            request: What is to run.
            files: Descriptors of the open files that its ``OpenFile`` arguments number.
            allowance: What it may take.

        Raises:
            Refused: The child died or did not read it in time.
        """
        self.num_requests += 1
        if files:
            with contextlib.suppress(BrokenPipeError):  # told of below
                socket.send_fds(self._files, [b"f"], files)
        for part in pack_request(request):
            rest = memoryview(part)
            while rest:
                self._wait(self._requests.fileno(), select.POLLOUT, allowance)
                try:
                    rest = rest[os.write(self._requests.fileno(), rest) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    raise self._death(allowance) from None

    def receive(self, shapes: Sequence[Any], allowance: Allowance) -> tuple[Reply, Any]:
        """Return the next reply and what it holds, an item as one of the shapes.

        Raises:
            Refused: The child died, took too long, sent more than it may hold or what it may not.
        """
        head = bytes(self._read(REPLY_HEAD.size, allowance))
        num_bytes = num_bytes_after(head)
        if num_bytes > allowance.max_memory_bytes:
            raise out_of_memory(allowance)
        try:
            return unpack_reply(head, self._read(num_bytes, allowance), shapes)
        except Unexpected as error:
            message = f"its process answered what no parser says: {error}"
            raise Refused("parser_crashed", message) from error

    def kill(self) -> None:
        """End the process at once, reap it and close the pipes; may be called again."""
        self._process.kill()
        self._reap()
        for pipe in (self._requests, self._replies, self._files):
            with contextlib.suppress(OSError):
                pipe.close()

    def _read(self, num_bytes: int, allowance: Allowance) -> bytearray:
        """Return the next bytes; small replies are read many at once, large ones in place."""
        if len(self._ahead) < num_bytes < _AHEAD_BYTES:
            more = bytearray(_AHEAD_BYTES)
            while len(self._ahead) < num_bytes:
                self._ahead += more[: self._read_into(memoryview(more), allowance)]
        part = self._ahead[:num_bytes]
        del self._ahead[:num_bytes]
        if len(part) < num_bytes:
            start = len(part)
            part += bytes(num_bytes - start)
            with memoryview(part) as whole:
                while start < num_bytes:
                    start += self._read_into(whole[start:], allowance)
        return part

    def _read_into(self, buffer: memoryview, allowance: Allowance) -> int:
        """Read what has come, waiting for the first byte, and return how much it is."""
        while True:
            with contextlib.suppress(BlockingIOError):
                num_read = os.readv(self._replies.fileno(), [buffer])
                if not num_read:
                    raise self._death(allowance)
                return num_read
            self._wait(self._replies.fileno(), select.POLLIN, allowance)

    def _wait(self, descriptor: int, event: int, allowance: Allowance) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        started = time.monotonic()
        ready = poll.poll(min(max(0.0, allowance.left_s) * 1000, _LONGEST_WAIT_MS))
        allowance.left_s -= time.monotonic() - started
        if not ready or allowance.left_s <= 0:
            raise allowance.used_up()

    def _death(self, allowance: Allowance) -> Refused:
        """Say what a child died of that closed its pipe; what it held at most tells of memory."""
        most_bytes = self._reap()
        if self._process.returncode == -signal.SIGPROF:
            return allowance.used_up()
        if most_bytes > max(self._size_at_birth, allowance.max_memory_bytes * 0.8):
            return out_of_memory(allowance)
        code = self._process.returncode
        how = signal.Signals(-code).name if code and code < 0 else f"exit code {code}"
        return Refused("parser_crashed", f"the parser's process ended with {how}")

    def _reap(self) -> int:
        """Wait for the end of the process and return its largest resident size in bytes."""
        if self._process.returncode is not None:
            return 0
        try:
            _, status, usage = os.wait4(self._process.pid, 0)
        except ChildProcessError:  # somebody else in this process reaps every child
            self._process.returncode = 0
            return 0
        self._process.returncode = os.waitstatus_to_exitcode(status)
        return _largest_bytes(usage)


def _largest_bytes(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def out_of_memory(allowance: Allowance) -> Refused:
    """Return the refusal of a source that needs more memory than it may."""
    limit = allowance.max_memory_bytes / 1e6
    return Refused("out_of_memory", f"parsing needs more than {limit:.0f} MB of memory")


def _widen(descriptor: int) -> None:
    """Let a pipe hold a picture, so that parsing goes on while the parent works."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):
        with contextlib.suppress(OSError):  # the user's share of pipe memory is used up
            fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
