"""Generator functions that do in a child what somebody who has taken it over would try."""

from __future__ import annotations

import ctypes
import functools
import os
import pickle
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Answer:
    """Stand for what a parser yields."""

    number: int
    words: tuple[str, ...]
    pixels: npt.NDArray[np.uint8] | None = None


SHAPES = (Answer,)


def attempt(function: Callable[..., object]) -> Callable[..., Iterator[str]]:
    """Return a generator function that yields what became of an attempt."""

    @functools.wraps(function)
    def tried(*args: Any) -> Iterator[str]:
        try:
            function(*args)
        except OSError as error:
            yield type(error).__name__
        else:
            yield "done"

    return tried


def call(number: int, *args: object) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *args) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@attempt
def open_socket(_: int) -> None:
    socket.socket().close()


@attempt
def make_pair(_: int) -> None:
    socket.socketpair()


@attempt
def start_program(_: int) -> None:
    os.posix_spawn("/bin/true", ["true"], {})


@attempt
def become_program(_: int) -> None:
    os.execv("/bin/true", ["true"])


@attempt
def fork(_: int) -> None:
    if not os.fork():
        os._exit(0)


@attempt
def clone_process(_: int) -> None:
    number = 56 if os.uname().machine == "x86_64" else 220
    call(number, int(signal.SIGCHLD), 0, 0, 0, 0)


@attempt
def signal_parent(parent: int) -> None:
    os.kill(parent, 0)


@attempt
def signal_all(_: int) -> None:
    os.kill(-1, 0)


@attempt
def trace_parent(parent: int) -> None:
    call(101 if os.uname().machine == "x86_64" else 117, 16, parent, 0, 0)


@attempt
def limit_parent(parent: int) -> None:
    resource.prlimit(parent, resource.RLIMIT_CPU, (1, 1))


@attempt
def change_mode(_: int) -> None:
    os.chmod(sys.executable, 0o755)


@attempt
def make_ring(_: int) -> None:
    call(425, 8, ctypes.byref(ctypes.create_string_buffer(120)))


@attempt
def write(path: str) -> None:
    Path(path).write_text("changed")


@attempt
def append(path: str) -> None:
    with Path(path).open("a") as file:
        file.write("changed")


@attempt
def make_folder(path: str) -> None:
    Path(path + ".d").mkdir()


@attempt
def remove(path: str) -> None:
    Path(path).unlink()


@attempt
def rename(path: str) -> None:
    Path(path).rename(path + ".moved")


@attempt
def link(path: str) -> None:
    os.link(path, path + ".link")


@attempt
def read(path: str) -> None:
    Path(path).read_bytes()


def read_opened(file: BinaryIO, num_bytes: int) -> Iterator[bytes]:
    yield file.read(num_bytes)


def environment() -> Iterator[dict[str, str]]:
    yield dict(os.environ)


def what_is_held(_: int) -> Iterator[dict[str, str]]:
    lines = Path("/proc/self/status").read_text().splitlines()
    pairs = [line.split(":\t") for line in lines]
    yield {name: value for name, value, *_ in pairs if name in ("NoNewPrivs", "Seccomp")}


class Bomb:
    """Make a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, (f"touch {self.path}",)


def answer_pickle(path: str) -> Iterator[None]:
    body = pickle.dumps(Bomb(path))
    yield from _frame(body)


def answer_noise(_: str) -> Iterator[None]:
    yield from _frame(os.urandom(50))


def answer_deep(_: str) -> Iterator[None]:
    yield from _frame(b"[" * 200_000)


def answer_long_number(_: str) -> Iterator[None]:
    yield from _frame(b'["item","Answer",[%s,[]]]' % (b"9" * 100_000))


def answer_other_type(_: str) -> Iterator[None]:
    yield from _frame(b'["item","Answer",["7",[],null]]')


def answer_other_field(_: str) -> Iterator[None]:
    yield from _frame(b'["item","Answer",[7,[],null,"more"]]')


def answer_other_class(_: str) -> Iterator[None]:
    yield from _frame(b'["item","Bomb",["x"]]')


def answer_wrong_sizes(_: str) -> Iterator[None]:
    text = b'["item","Answer",[7,[],null]]'
    _write(struct.pack("<QQQ", len(text), 1, 4) + text + struct.pack("<Q", 9) + b"abcd")
    yield None


def answer_wrong_array(_: str) -> Iterator[None]:
    text = b'["item","Answer",[7,[],["uint8",[2,1000],0]]]'
    _write(struct.pack("<QQQ", len(text), 1, 4) + text + struct.pack("<Q", 4) + b"abcd")
    yield None


def answer_huge() -> Iterator[None]:
    _write(struct.pack("<QQQ", 2**62, 0, 0))
    yield None


def _frame(text: bytes) -> Iterator[None]:
    _write(struct.pack("<QQQ", len(text), 0, 0) + text)
    yield None


def _write(data: bytes) -> None:
    """Write past the child's own code to every pipe that leads out."""
    for descriptor in range(3, 20):
        try:
            is_pipe = os.readlink(f"/proc/self/fd/{descriptor}").startswith("pipe:")
            if is_pipe:
                os.write(descriptor, data)
        except OSError:
            continue
