"""Fixtures of discovery: a world to index, an S3 server, and root bound by file modes."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sources.world import World

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1 << 1, 1 << 2
# Version 3 of the kernel's interface: effective, permitted and inheritable, 32 bits each, twice.
_THIS_THREAD = (ctypes.c_uint32 * 2)(0x20080522, 0)
_Capabilities = ctypes.c_uint32 * 6


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def bound_by_modes() -> Iterator[Callable[[], None]]:
    """Return a function after which file modes bind this thread even where it runs as root."""
    if os.getuid() != 0:
        yield lambda: None
        return
    if not sys.platform.startswith("linux"):
        pytest.skip("root can put its rights aside only on Linux")
    before = _capabilities()
    without = _Capabilities.from_buffer_copy(before)
    without[0] &= ~(CAP_DAC_OVERRIDE | CAP_DAC_READ_SEARCH)
    yield lambda: _set_capabilities(without)
    _set_capabilities(before)


def _capabilities() -> ctypes.Array[ctypes.c_uint32]:
    held = _Capabilities()
    assert ctypes.CDLL(None).capget(_THIS_THREAD, held) == 0
    return held


def _set_capabilities(wanted: ctypes.Array[ctypes.c_uint32]) -> None:
    assert ctypes.CDLL(None).capset(_THIS_THREAD, wanted) == 0
