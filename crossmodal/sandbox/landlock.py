"""Leave this process a few places to read from, by Landlock, where Linux has it (5.13 and later).

Owns the rules: nothing is executed or written, only what is named is read, and from Linux 6.7 on
no TCP and from 6.12 on no signal and no abstract socket leaves. Structures and numbers are those
of the kernel's include/uapi/linux/landlock.h.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from contextlib import suppress
from stat import S_ISDIR
from typing import ClassVar

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
# How many kinds of access to files a version of the interface knows.
_NUM_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_MOST_FILE_RIGHTS = 16
_ALL_TCP, _ALL_SCOPES = 0b11, 0b11
_HAS_TCP, _HAS_SCOPES = 4, 6


class _Ruleset(ctypes.Structure):
    _fields_: ClassVar = [
        ("files", ctypes.c_uint64),
        ("tcp", ctypes.c_uint64),
        ("scopes", ctypes.c_uint64),
    ]


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_: ClassVar = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def version() -> int:
    """Return the version of the interface that this kernel has; 0 where it has none."""
    return max(0, int(_call(_CREATE_RULESET, None, 0, _VERSION)))


def close(readable: Iterable[str], listable: Iterable[str], writable: Iterable[str]) -> bool:
    """Forbid this thread, and all that it starts, every file but these; say whether it was done.

    Needs ``no_new_privs``. Places that do not exist are left out.

    Args:
        readable: Folders and files, with all that is in them.
        listable: Folders whose names, but not contents, may be read.
        writable: Files.
    """
    found = version()
    if not found:
        return False
    ruleset = _Ruleset(
        (1 << _NUM_FILE_RIGHTS.get(found, _MOST_FILE_RIGHTS)) - 1,
        _ALL_TCP if found >= _HAS_TCP else 0,
        _ALL_SCOPES if found >= _HAS_SCOPES else 0,
    )
    num_bytes = 24 if found >= _HAS_SCOPES else 16 if found >= _HAS_TCP else 8
    rules = _call(_CREATE_RULESET, ctypes.byref(ruleset), num_bytes, 0)
    if rules < 0:
        return False
    try:
        for paths, rights in (
            (readable, _READ_FILE | _READ_DIR),
            (listable, _READ_DIR),
            (writable, _WRITE_FILE | _READ_FILE),
        ):
            for path in paths:
                _allow(rules, path, rights)
        return bool(_call(_RESTRICT_SELF, rules, 0) == 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: str, rights: int) -> None:
    with suppress(OSError):
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            if not S_ISDIR(os.fstat(place).st_mode):
                rights &= ~_READ_DIR
            beneath = _PathBeneath(rights, place)
            _call(_ADD_RULE, rules, _PATH_BENEATH, ctypes.byref(beneath), 0)
        finally:
            os.close(place)


def _call(number: int, *args: object) -> int:
    return int(ctypes.CDLL(None, use_errno=True).syscall(number, *args))
