"""Keep DuckDB from swallowing what a signal handler raises.

While DuckDB works on a statement it runs Python's signal handlers itself, drops the exception that
they raise (KeyboardInterrupt, Prefect's TerminationSignal) and raises RuntimeError instead. A
cancelled run would then look like a failed one.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_Handler = Callable[[int, FrameType | None], object]
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def signals_heeded() -> Iterator[None]:
    """Raise what a handler raised inside the block, whatever DuckDB made of it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers never run here
        return
    raised: list[BaseException] = []
    handlers = {number: signal.getsignal(number) for number in _SIGNALS}
    own = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number, handler in own.items():
        signal.signal(number, _noting(handler, raised))
    try:
        yield
    except RuntimeError as error:
        if raised:
            raise raised[0] from error
        raise
    finally:
        for number, handler in own.items():
            signal.signal(number, handler)


def _noting(handler: _Handler, raised: list[BaseException]) -> _Handler:
    def noting(number: int, frame: FrameType | None) -> object:
        try:
            return handler(number, frame)
        except BaseException as error:
            raised.append(error)
            raise

    return noting
