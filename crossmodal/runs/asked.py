"""Tell since when a person has waited for the run that opens next in this process.

A command takes a second or more to start before any run opens: reports count it. Owns the moment;
it is taken once, for a later run of the same process was asked for later.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

_IMPORTED_S = time.time()
_asked: list[float] = []


def process_began_s() -> float:
    """Return when this process started, in epoch seconds; elsewhere than on Linux about then."""
    try:
        # The command may hold spaces and brackets; field 22 of the rest counts ticks since boot.
        ticks = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - int(ticks) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError, AttributeError):
        return _IMPORTED_S
    return time.time() - age_s


def note_asked() -> None:
    """Say that the run that opens next was asked for when this process started."""
    _asked[:] = [process_began_s()]


def take_asked_s() -> float | None:
    """Return since when the run that opens now is waited for, and forget it; None: unsaid."""
    return _asked.pop() if _asked else None
