"""Take system calls away from this process by a seccomp filter, where Linux has it.

Owns which calls a parser never needs: sockets, other programs and processes, and all that changes
a file, a name or an attribute on disk. A call that is taken away fails with EPERM, so that a
library that tries one goes on without it. Numbers are those of the kernel's tables
(arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

_SET_MODE_FILTER = 1
# Without this old kernels also slow down every branch of a process that has a filter.
_SPEC_ALLOW = 1 << 2
_ALLOW = 0x7FFF0000
_FAIL = 0x00050000
_KILL = 0x80000000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_AT_NUMBER, _AT_MACHINE, _AT_ARGUMENTS = 0, 4, 16
_X32_NUMBERS = 0x40000000
_CLONE_THREAD = 0x10000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class _Machine(NamedTuple):
    audit: int
    column: int
    seccomp: int


_MACHINES = {"x86_64": _Machine(0xC000003E, 0, 317), "aarch64": _Machine(0xC00000B7, 1, 277)}

_Numbers = tuple[int | None, int | None]
_DENIED: dict[str, _Numbers] = {
    # The network.
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200),
    "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242),
    # Programs and processes.
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271),
    "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_open": (434, 434), "pidfd_send_signal": (424, 424), "pidfd_getfd": (438, 438),
    # What is on disk.
    "creat": (85, None), "truncate": (76, 45), "unlink": (87, None), "unlinkat": (263, 35),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276), "mkdir": (83, None),
    "mkdirat": (258, 34), "rmdir": (84, None), "link": (86, None), "linkat": (265, 37),
    "symlink": (88, None), "symlinkat": (266, 36), "mknod": (133, None), "mknodat": (259, 33),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "open_by_handle_at": (304, 265),
    # Other worlds, and ways around this one.
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280),
    "perf_event_open": (298, 241), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427), "userfaultfd": (323, 282), "mq_open": (240, 180),
    "shmget": (29, 194),
}  # fmt: skip
# Said to be unknown, so that the C library falls back to the call whose arguments can be seen.
_UNKNOWN: dict[str, _Numbers] = {"clone3": (435, 435), "openat2": (437, 437)}
_CLONE: _Numbers = (56, 220)
_OPEN: _Numbers = (2, None)
_OPENAT: _Numbers = (257, 56)
_OWN_ONLY: dict[str, _Numbers] = {"kill": (62, 129), "tgkill": (234, 131)}
_PRLIMIT: _Numbers = (302, 261)


class _Instruction(ctypes.Structure):
    _fields_: ClassVar = [
        ("code", ctypes.c_ushort),
        ("if_true", ctypes.c_ubyte),
        ("if_false", ctypes.c_ubyte),
        ("value", ctypes.c_uint32),
    ]


class _Program(ctypes.Structure):
    _fields_: ClassVar = [
        ("length", ctypes.c_ushort),
        ("first", ctypes.POINTER(_Instruction)),
    ]


def offered() -> bool:
    """Return whether this kernel filters system calls, and the numbers of its machine are known."""
    return platform.machine() in _MACHINES and os.path.isdir("/proc/sys/kernel/seccomp")


def close() -> bool:
    """Take the calls away from this thread and all that it starts; say whether it was done.

    Needs ``no_new_privs``.
    """
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return False
    program = [_Instruction(*step) for step in _steps(machine, os.getpid())]
    first = (_Instruction * len(program))(*program)
    filtered = _Program(len(program), first)
    done = ctypes.CDLL(None).syscall(
        machine.seccomp, _SET_MODE_FILTER, _SPEC_ALLOW, ctypes.byref(filtered)
    )
    return bool(done == 0)


_Step = tuple[int, int, int, int]


def _steps(machine: _Machine, pid: int) -> Iterator[_Step]:
    """Yield the filter: no step jumps further than over the answer that it decides about."""
    yield _LOAD, 0, 0, _AT_MACHINE
    yield _EQUAL, 1, 0, machine.audit
    yield _RETURN, 0, 0, _KILL
    yield _LOAD, 0, 0, _AT_NUMBER
    yield _AT_LEAST, 0, 1, _X32_NUMBERS
    yield _RETURN, 0, 0, _FAIL | errno.EPERM
    for calls, error in ((_DENIED, errno.EPERM), (_UNKNOWN, errno.ENOSYS)):
        for numbers in calls.values():
            number = numbers[machine.column]
            if number is not None:
                yield _EQUAL, 0, 1, number
                yield _RETURN, 0, 0, _FAIL | error
    yield from _needs_bit(_CLONE[machine.column], 0, _CLONE_THREAD)
    yield from _has_no_bit(_OPEN[machine.column], 1, _WRITING)
    yield from _has_no_bit(_OPENAT[machine.column], 2, _WRITING)
    for numbers in _OWN_ONLY.values():
        yield from _is_one_of(numbers[machine.column], 0, (pid,))
    yield from _is_one_of(_PRLIMIT[machine.column], 0, (0, pid))
    yield _RETURN, 0, 0, _ALLOW


def _needs_bit(number: int | None, argument: int, bits: int) -> Iterator[_Step]:
    if number is not None:
        yield _EQUAL, 0, 4, number
        yield _LOAD, 0, 0, _AT_ARGUMENTS + 8 * argument
        yield _ANY_BIT, 1, 0, bits
        yield _RETURN, 0, 0, _FAIL | errno.EPERM
        yield _RETURN, 0, 0, _ALLOW


def _has_no_bit(number: int | None, argument: int, bits: int) -> Iterator[_Step]:
    if number is not None:
        yield _EQUAL, 0, 4, number
        yield _LOAD, 0, 0, _AT_ARGUMENTS + 8 * argument
        yield _ANY_BIT, 0, 1, bits
        yield _RETURN, 0, 0, _FAIL | errno.EPERM
        yield _RETURN, 0, 0, _ALLOW


def _is_one_of(number: int | None, argument: int, allowed: tuple[int, ...]) -> Iterator[_Step]:
    if number is not None:
        yield _EQUAL, 0, 3 + len(allowed), number
        yield _LOAD, 0, 0, _AT_ARGUMENTS + 8 * argument
        for place, value in enumerate(allowed):
            yield _EQUAL, len(allowed) - place, 0, value
        yield _RETURN, 0, 0, _FAIL | errno.EPERM
        yield _RETURN, 0, 0, _ALLOW
