"""Close the walls around a parser's process: what it may read, and that it may do nothing else.

Owns which places a Python process needs to read: its libraries, the system's, fonts and time
zones, and no file of the person's. What is to be parsed arrives by a pipe, or as an open file.
Each wall is raised where the system has it; ``walls`` says which those are.
"""

from __future__ import annotations

import ctypes
import mimetypes
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crossmodal.sandbox import landlock, seccomp

_PR_SET_NO_NEW_PRIVS = 38
_LIBRARY_FOLDERS = ("site-packages", "dist-packages")
_SYSTEM = (
    "/usr", "/lib", "/lib64", "/nix/store", "/etc/ld.so.cache", "/etc/localtime",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu",
    "/dev/urandom", "/dev/zero",
)  # fmt: skip
_WRITABLE = ("/dev/null",)


@dataclass(frozen=True, slots=True)
class Walls:
    """Say what is held against a process that parses."""

    no_new_privileges: bool
    system_calls: bool
    """No sockets, no other programs or processes, no change on disk: seccomp."""
    landlock: int
    """Only libraries and the system are read; the version of Landlock, 0 where there is none."""

    def sentence(self) -> str:
        """Return for people what the walls are."""
        held = [
            *(["no sockets, programs or writing (seccomp)"] if self.system_calls else []),
            *([f"reads only libraries (Landlock {self.landlock})"] if self.landlock else []),
        ]
        limits = "limits of time and memory, no secrets in the environment"
        return "; ".join([*held, limits]) if held else f"{limits}; no walls on this system"


def walls() -> Walls:
    """Return the walls that this system offers to children."""
    is_linux = sys.platform == "linux"
    return Walls(is_linux, is_linux and seccomp.offered(), landlock.version() if is_linux else 0)


def close_in(packages: Sequence[str]) -> Walls:
    """Raise the walls around this process for good, and say which stand.

    Args:
        packages: Folders of the packages whose functions are to run.
    """
    if sys.platform != "linux" or ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return Walls(False, False, 0)
    mimetypes.init()  # openpyxl asks it, and it reads files of the system's that lie anywhere
    folders = [os.path.abspath(folder) for folder in sys.path if folder]
    reads_little = landlock.close([*_SYSTEM, *_libraries(folders), *packages], folders, _WRITABLE)
    return Walls(True, seccomp.close(), landlock.version() if reads_little else 0)


def _libraries(folders: Sequence[str]) -> Iterator[str]:
    yield from {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    yield from filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep))
    for folder in folders:
        name = os.path.basename(folder)
        if name in _LIBRARY_FOLDERS or name.startswith("python") or name.endswith(".zip"):
            yield folder
