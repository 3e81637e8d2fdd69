"""Run a parser in a process of its own, so that a hostile file can only break that process.

Owns the pool of warm children and what their ends mean; refuses to know any format. A time limit
that interrupts C code, a limit on memory, and a crash that spares the run are only to be had
outside of this process. Neither fork nor multiprocessing starts a child, because this process
holds threads, a model and an engine. POSIX only.
"""

from __future__ import annotations

import atexit
import io
import os
import queue
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from crossmodal.errors import Refused
from crossmodal.sandbox.process import Allowance, Child, out_of_memory
from crossmodal.sandbox.protocol import OpenFile, Reply, Request

T = TypeVar("T")

_MAX_IDLE = min(4, os.cpu_count() or 1)
_MAX_REQUESTS = 2000
_MAX_IDLE_BYTES = 500_000_000


def run_in_child(
    function: Callable[..., Iterator[T]],
    *args: Any,
    yields: tuple[Any, ...],
    max_seconds: float,
    max_memory_bytes: int,
) -> Generator[T]:
    """Yield what a generator function yields in a child process, as it comes.

    The function travels by its name, arguments as a pickle, items as plain data. The child has
    no secrets, reads no files but libraries, and can neither write, nor start programs, nor reach
    the network, as far as the system has such walls (``walls``). It waits when about a megabyte
    has not been taken yet; only time that the caller spends waiting for the child counts.
    Thread-safe; an iterator that is closed or dropped early ends its child.

    Args:
        function: One that stands at the top of a module. That module should import heavy
            libraries only inside its functions: the caller imports it too.
        args: What the function is called with; a file open for reading arrives as such.
        yields: The shapes that items may have: data classes, ``bytes``, tuples and arrays as type
            hints; ``Any`` stands for plain JSON.
        max_seconds: How long the child may work, in seconds of the processor; the caller waits
            five times as long.
        max_memory_bytes: How much the child's address space may grow by.

    Raises:
        ValueError: A child could not import the function: a lambda, a closure, a method of an
            object, or a function of the program that was started.
        Refused: As the function raised it, or ``timed_out``, ``out_of_memory`` or
            ``parser_crashed``.
        ImportError: The child did not find the function.
    """
    module, name = _importable(function)
    sent, files = _without_files(args)
    request = Request(module, name, sent, max_seconds, max_memory_bytes)
    return _answers(request, files, yields, Allowance(max_seconds, max_memory_bytes))


def _without_files(args: tuple[Any, ...]) -> tuple[tuple[Any, ...], list[int]]:
    """Put what stands for them in the place of open files, and return their descriptors."""
    files: list[int] = []
    sent: list[Any] = []
    for arg in args:
        if isinstance(arg, io.FileIO | io.BufferedReader):
            files.append(arg.fileno())
            sent.append(OpenFile(len(files) - 1))
        else:
            sent.append(arg)
    return tuple(sent), files


def _importable(function: Callable[..., object]) -> tuple[str, str]:
    """Return the module and the name by which a child can import a function."""
    module = getattr(function, "__module__", None) or ""
    name = getattr(function, "__qualname__", None) or ""
    found: object = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if module == "__main__" or found is not function:
        shown = f"{module}.{name}" if name else repr(function)
        raise ValueError(
            f"a child process cannot import {shown}: give it a function that stands at the top of "
            "a module, not a lambda, a closure, a method or a function of the started program"
        )
    return module, name


def _packages(module: str) -> tuple[str, ...]:
    """Return the folders of this package and of the one that a module is in."""
    names = dict.fromkeys(("crossmodal", module.partition(".")[0]))
    found = (getattr(sys.modules.get(name), "__path__", ()) for name in names)
    return tuple(os.path.abspath(folder) for folders in found for folder in folders)


def _answers(
    request: Request, files: list[int], yields: tuple[Any, ...], allowance: Allowance
) -> Generator[Any]:
    child = _POOL.take(_packages(request.module))
    reusable = False
    try:
        child.send(request, files, allowance)
        reply, payload = child.receive(yields, allowance)
        while reply is Reply.ITEM:
            yield payload
            reply, payload = child.receive(yields, allowance)
        reusable = _is_reusable(child, reply, payload)
    finally:
        _POOL.put(child, reusable=reusable)
    _raise_for(reply, payload, allowance)


def _is_reusable(child: Child, reply: Reply, payload: Any) -> bool:
    if child.num_requests >= _MAX_REQUESTS:
        return False
    return reply is Reply.REFUSED or (reply is Reply.DONE and payload < _MAX_IDLE_BYTES)


def _raise_for(reply: Reply, payload: Any, allowance: Allowance) -> None:
    if reply is Reply.REFUSED:
        reason, detail, transient = payload
        raise Refused(reason, detail, transient=transient)
    if reply is Reply.OUT_OF_MEMORY:
        raise out_of_memory(allowance)
    if reply is Reply.CRASHED:
        raise Refused("parser_crashed", payload)
    if reply is Reply.NO_TARGET:
        raise ImportError(payload)


class _ChildPool:
    """Keep a few idle children warm; every process has its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idle: list[Child] = []
        self._orders: queue.SimpleQueue[tuple[Future[Child], tuple[str, ...]]] = queue.SimpleQueue()
        self._starter: threading.Thread | None = None

    def take(self, packages: tuple[str, ...]) -> Child:
        """Return an idle child that may read some packages, or a new one."""
        while True:
            child = self._pop(packages)
            if child is None:
                return self._start(packages)
            if child.is_alive():
                return child
            child.kill()

    def _pop(self, packages: tuple[str, ...]) -> Child | None:
        with self._lock:
            fitting = [child for child in self._idle if child.packages == packages]
            if fitting:
                self._idle.remove(fitting[-1])
            return fitting[-1] if fitting else None

    def put(self, child: Child, *, reusable: bool) -> None:
        """Keep a child for later or end it; where too many wait, end the one that waited longest.

        Otherwise idle children that may read other packages would keep this one from ever waiting.
        """
        surplus = child
        with self._lock:
            if reusable:
                self._idle.append(child)
                if len(self._idle) <= _MAX_IDLE:
                    return
                surplus = self._idle.pop(0)
        surplus.kill()

    def clear(self) -> None:
        """End all idle children."""
        with self._lock:
            idle, self._idle = self._idle, []
        for child in idle:
            child.kill()

    def _start(self, packages: tuple[str, ...]) -> Child:
        """Start a child from a thread that never ends.

        The kernel takes the end of the thread that started a child for the end of its parent.
        """
        order: Future[Child] = Future()
        with self._lock:
            if self._starter is None:
                self._starter = threading.Thread(
                    target=self._fill_orders, name="child-starter", daemon=True
                )
                self._starter.start()
        self._orders.put((order, packages))
        try:
            return order.result()
        except BaseException:
            order.add_done_callback(_kill_unwanted)
            raise

    def _fill_orders(self) -> None:
        while True:
            order, packages = self._orders.get()
            try:
                order.set_result(Child(packages))
            except BaseException as error:
                order.set_exception(error)
            del order


def _kill_unwanted(order: Future[Child]) -> None:
    """End a child that came after its order was given up, as on Ctrl-C."""
    if order.exception() is None:
        order.result().kill()


_POOL = _ChildPool()
atexit.register(_POOL.clear)
os.register_at_fork(after_in_child=_POOL.__init__)  # type: ignore[misc]
