"""Say on how many cores torch computes, so that results and measured times stay comparable.

Imports torch only once it is asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crossmodal.encoders.forward import num_passes

_OF_A_FURTHER_CORE = 0.8
"""What each core after the first adds: a step of a ViT-B/16 took 8.3 s on one, 4.6 s on two."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch add up in one order, whatever else the machine does; the matrices are small."""
    with _threads(1):
        yield


@contextmanager
def all_threads() -> Iterator[None]:
    """Let torch take every core that it found at its start; the matrices are large.

    Their number decides which sums are cut where, so one machine gives one result.
    """
    with _threads(num_passes("cpu")):
        yield


@contextmanager
def _threads(num: int) -> Iterator[None]:
    import torch

    num_passes("cpu")  # keeps what torch found at its start, before it is told otherwise
    before = torch.get_num_threads()
    torch.set_num_threads(num)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def work_clock(device: str) -> Callable[[], float]:
    """Return the clock, in seconds, of what this thread computes; of a GPU it is the wall's.

    ``one_thread``, or one core, has to hold: work of other threads would not count.
    """
    return time.thread_time if device == "cpu" else time.perf_counter


def shared_s(work_s: float, device: str) -> float:
    """Return how long work takes that all cores share, in seconds of ``work_clock`` of one."""
    further = num_passes("cpu") - 1 if device == "cpu" else 0
    return work_s / (1 + _OF_A_FURTHER_CORE * further)


def working_on(device: str) -> str:
    """Return in words what takes so long as ``shared_s`` says."""
    if device != "cpu":
        return f"this {device}"
    num = num_passes("cpu")
    return f"{num} free cores of this machine" if num > 1 else "a free core of this machine"
