"""Let torch compute in one thread, so that what is learned does not depend on the machine's load.

Imports torch only once it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
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
