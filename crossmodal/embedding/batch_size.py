"""Find the fastest batch size of a forward pass by timing it over random items.

Owns the rule where nothing was measured, and the measuring; refuses to know where a size is kept
(``batch_choice``). Images and windows of sound have one shape, so that one size is right for all of
them. Passages have none: their passes are as long as the longest of them, so that a size that was
found for full passages would say nothing of short ones, and they keep the rule.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from crossmodal.encoders.forward import BatchTooLarge, in_whole_batches, num_passes, on_one_core
from crossmodal.encoders.torch_threads import work_clock

if TYPE_CHECKING:
    from crossmodal.embedding.modalities.row import OneShape
    from crossmodal.encoders.encoder import Encoder

# Activations of more images than this no longer fit a core's cache: 8 images took 20 % less time
# each than 32 did, and gave the same bits.
_CPU_RULE = 8
_ACCELERATOR_RULE = 32

_CPU_LARGEST = 32
_ACCELERATOR_LARGEST = 512
_WORTH_DOUBLING = 1.05
_WORSE_IN_A_ROW = 2
_LIMIT_S = 3.0
_MIN_TIMED, _MAX_TIMED = 3, 10
_TIMED_S = 0.02


@dataclass(frozen=True, slots=True)
class Found:
    """Say which size was found, and how fast it was."""

    num_items: int
    items_per_s: float


def batch_rule(device: str, named: int = 0) -> int:
    """Return the default batch size of a device (not auto), used where nothing was measured.

    ``named`` is the most that a user allows; 0 where none was named.
    """
    if device == "cpu":
        return min(named or _CPU_RULE, _CPU_RULE)
    return named or _ACCELERATOR_RULE


def find_batch_size(encoder: Encoder, items: OneShape, device: str) -> Found:
    """Return the smallest size about as fast as any, within seconds; device is not auto."""
    largest = _CPU_LARGEST if device == "cpu" else _ACCELERATOR_LARGEST
    timed = process_pass_s if encoder.has_own_threads else _pass_s

    def pass_s(num_items: int) -> float:
        return timed(items.random_pass(encoder, num_items), device)

    found = double(pass_s, largest, batch_rule(device))
    return replace(found, items_per_s=found.items_per_s * num_passes(device))


def double(
    pass_s: Callable[[int], float],
    largest: int,
    rule: int,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """Return the smallest size that no larger one beats by more than 5 % an item.

    ``pass_s`` returns the seconds of a pass over so many items, or raises BatchTooLarge. Sizes are
    doubled until two in a row are no better: one may be unlucky. A search that ran out of time
    before it came to the ``rule`` has no reason to go below that.
    """
    ends_at, last_s, num_worse = clock() + _LIMIT_S, 0.0, 0
    best = Found(1, 0.0)
    for num_items in _doublings(largest):
        began_at = clock()
        if began_at + 2 * last_s > ends_at:
            return best if num_items > rule else replace(best, num_items=rule)
        try:
            items_per_s = num_items / max(pass_s(num_items), 1e-9)
        except BatchTooLarge:
            return best
        last_s = clock() - began_at
        if items_per_s > best.items_per_s * _WORTH_DOUBLING:
            best, num_worse = Found(num_items, items_per_s), 0
        elif (num_worse := num_worse + 1) == _WORSE_IN_A_ROW:
            return best
    return best


@cache
def device_name(device: str) -> str:
    """Return a name for a device (not auto) that tells machines apart."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    cores = f"{num_passes('cpu')} cores"
    return f"{_processor()}, {cores}" if device == "cpu" else f"{_processor()}, {cores}, {device}"


def _doublings(largest: int) -> Iterator[int]:
    num_items = 1
    while num_items <= largest:
        yield num_items
        num_items *= 2


def _pass_s(run: Callable[[], object], device: str) -> float:
    """Return the seconds of a pass while as many run in parallel as in the pipeline."""
    # What else the machine does meanwhile is no reason for another size.
    clock = work_clock(device)

    def fastest_s(_: int) -> float:
        with on_one_core(), in_whole_batches():
            return min(_timings(run, clock))

    with ThreadPoolExecutor(num_passes(device)) as pool:
        taken = list(pool.map(fastest_s, range(num_passes(device))))
    return sum(taken) / len(taken)


def process_pass_s(run: Callable[[], object], device: str) -> float:
    """Return what a pass takes of the processor while as many run in parallel as in the pipeline.

    The whole process's: no clock of a caller's thread counts what other threads compute for it.
    """
    num = num_passes(device)

    def passes(how_many: int) -> None:
        with on_one_core(), in_whole_batches():
            for _ in range(how_many):
                run()

    with ThreadPoolExecutor(num) as pool:
        list(pool.map(passes, [1] * num))  # the first run of a new size includes its set-up
        began = time.process_time()
        list(pool.map(passes, [_MIN_TIMED] * num))
        return (time.process_time() - began) / (_MIN_TIMED * num)


def _timings(run: Callable[[], object], clock: Callable[[], float]) -> list[float]:
    """Return the seconds of a few runs; the first run of a new size includes its set-up."""
    taken: list[float] = []
    while len(taken) < _MIN_TIMED or (sum(taken) < _TIMED_S and len(taken) < _MAX_TIMED):
        began = clock()
        run()
        taken.append(clock() - began)
    return taken


def _processor() -> str:
    """Return the name of the processor: Linux has it in a file, elsewhere Python knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
