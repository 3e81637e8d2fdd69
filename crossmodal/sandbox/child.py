"""Run as the child process: serve the requests that arrive on stdin, one after the other.

Owns the limits that a process can only set on itself: walls, processor time, memory, core dumps,
dying with its parent, and silence. Knows no parser; the request says which function is imported.
Started as ``python -m crossmodal.sandbox.child PARENT_PID FILES_FD PACKAGES``, and ends when its
stdin does.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from crossmodal.errors import Refused
from crossmodal.sandbox.protocol import REQUEST_HEAD, OpenFile, Reply, Request, pack_reply
from crossmodal.sandbox.walls import close_in

_PR_SET_PDEATHSIG = 1
_FILES_A_REQUEST = 4
_NO_MEMORY_WORDS = ("failed to map segment", "cannot allocate memory")


def main() -> None:
    """Serve requests until the parent closes the pipe or dies."""
    requests, replies = _own_pipes()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent to answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    _die_with(int(sys.argv[1]))
    close_in([folder for folder in sys.argv[3].split(os.pathsep) if folder])
    try:
        while header := requests.read(REQUEST_HEAD.size):
            request = pickle.loads(requests.read(*REQUEST_HEAD.unpack(header)))
            _serve(request, replies)
            del request
    except (BrokenPipeError, EOFError, pickle.UnpicklingError):
        pass  # the parent is gone, and with it whoever would read about it
    os._exit(0)  # what libraries do at exit is of no use to anyone


def _own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Take stdin and stdout away, so that libraries that print or read meet silence."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    return requests, replies


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it died before the kernel was told
        os._exit(0)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


def _serve(request: Request, replies: BinaryIO) -> None:
    try:
        function = _find(request)
    except (ImportError, AttributeError) as error:
        _send(replies, Reply.NO_TARGET, f"{request.module}.{request.function}: {error}")
        return
    try:
        with (
            _opened(request.args) as args,
            _memory_limit(request.max_memory_bytes),
            _processor_limit(request.max_seconds),
        ):
            for item in function(*args):
                _send(replies, Reply.ITEM, item)
    except BrokenPipeError:
        raise
    except BaseException as error:  # a panic inside a Rust library is no Exception
        _send(replies, *_outcome(error))
    else:
        _send(replies, Reply.DONE, _memory_bytes(resident=True))


@contextmanager
def _opened(args: tuple[Any, ...]) -> Iterator[list[Any]]:
    """Give the function the files that came beside the request, open for reading."""
    wanted = sum(isinstance(arg, OpenFile) for arg in args)
    files = _receive(wanted) if wanted else []
    try:
        yield [files[arg.number] if isinstance(arg, OpenFile) else arg for arg in args]
    finally:
        for file in files:
            file.close()


def _receive(wanted: int) -> list[BinaryIO]:
    import socket

    with socket.socket(fileno=os.dup(int(sys.argv[2]))) as channel:
        _, descriptors, _, _ = socket.recv_fds(channel, 1, _FILES_A_REQUEST)
    if len(descriptors) != wanted:
        raise OSError(f"{len(descriptors)} files came where {wanted} were sent")
    return [os.fdopen(descriptor, "rb", 1 << 18) for descriptor in descriptors]


def _find(request: Request) -> Callable[..., Iterator[Any]]:
    found: Any = importlib.import_module(request.module)
    for name in request.function.split("."):
        found = getattr(found, name)
    function: Callable[..., Iterator[Any]] = found
    return function


def _send(replies: BinaryIO, reply: Reply, payload: object) -> None:
    for part in pack_reply(reply, payload):
        replies.write(part)
    replies.flush()


@contextmanager
def _processor_limit(max_seconds: float) -> Iterator[None]:
    """End this process by a signal once all its threads together have worked for so long."""
    signal.setitimer(signal.ITIMER_PROF, max_seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def _memory_limit(growth_bytes: int) -> Iterator[None]:
    """Let the address space grow by so much; where the system cannot say its size, by any."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    now = _memory_bytes(resident=False)
    if not now:
        yield
        return
    wanted = now + growth_bytes
    resource.setrlimit(
        resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard)
    )
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _memory_bytes(*, resident: bool) -> int:
    """Return the size of this process, or 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", "rb") as stream:
            return int(stream.read().split()[int(resident)]) * resource.getpagesize()
    except OSError:
        return 0


def _outcome(error: BaseException) -> tuple[Reply, object]:
    if isinstance(error, Refused):
        return Reply.REFUSED, (error.reason, error.detail, error.transient)
    if _lacks_memory(error):
        return Reply.OUT_OF_MEMORY, None
    message = " ".join(str(error).split())[:300]
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return Reply.CRASHED, f"{type(error).__name__}: {message}{where}"


def _lacks_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    message = str(error).lower()
    return isinstance(error, ImportError | OSError) and any(
        word in message for word in _NO_MEMORY_WORDS
    )


if __name__ == "__main__":
    main()
