"""Let torch compute in one thread, so that neither result nor measured time depends on the load.

Imports torch only once it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch add up in one order, whatever else the machine does; the matrices are small."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def work_clock(device: str) -> Callable[[], float]:
    """Return the clock, in seconds, of what this thread computes; of a GPU it is the wall's.

    ``one_thread``, or one core, has to hold: work of other threads would not count.
    """
    return time.thread_time if device == "cpu" else time.perf_counter


def working_on(device: str) -> str:
    """Return in words whose seconds those of ``work_clock`` are."""
    return "a free core of this machine" if device == "cpu" else f"this {device}"
