"""Keep DuckDB from swallowing what a signal handler raises.

While DuckDB works on a statement it runs Python's signal handlers itself, drops the exception that
they raise (KeyboardInterrupt, Prefect's TerminationSignal), often works on to the end, and then
raises RuntimeError. A cancelled run would end late and look like a failed one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import duckdb

_Handler = Callable[[int, FrameType | None], object]
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_heeded(con: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Stop the connection's statement when a handler raises, and raise the same from the block."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers never run here
        return
    raised: list[BaseException] = []
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    callables = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number, handler in callables.items():
        signal.signal(number, _interrupting(con, handler, raised))
    try:
        yield
    except Exception as error:
        if raised:
            raise raised[0] from error
        raise
    finally:
        for number, handler in callables.items():
            signal.signal(number, handler)
    if raised:
        raise raised[0]


def _interrupting(
    con: duckdb.DuckDBPyConnection, handler: _Handler, raised: list[BaseException]
) -> _Handler:
    """Return the handler, made to note what it raises and to interrupt the connection then."""

    def interrupting(number: int, frame: FrameType | None) -> object:
        try:
            return handler(number, frame)
        except BaseException as error:
            raised.append(error)
            con.interrupt()
            raise

    return interrupting
