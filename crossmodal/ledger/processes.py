"""Tell whether a process that left its number behind is still the one that runs under it."""

from __future__ import annotations

import os
from pathlib import Path

_SLACK_S = 5.0


def is_same_process(pid: int, seen_s: float) -> bool:
    """Say whether the process that had this number at ``seen_s`` (epoch seconds) still runs.

    A number that was handed on since, as happens in containers and after a reboot, does not
    count; where the system does not tell when a process started, it is taken for the same.
    """
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as another user
    started_s = _started_s(pid)
    return started_s is None or started_s <= seen_s + _SLACK_S


def _started_s(pid: int) -> float | None:
    """Return when the process started, from Linux's /proc; None elsewhere."""
    try:
        # The command may hold spaces and brackets; field 22 of the rest counts ticks since boot.
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        boot = next(
            line for line in Path("/proc/stat").read_text().splitlines() if line.startswith("btime")
        )
    except (OSError, IndexError, StopIteration):
        return None
    return int(boot.split()[1]) + int(ticks) / os.sysconf("SC_CLK_TCK")
