"""Fixtures of discovery: a world to index, an S3 server, and a process without root's rights."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.discovery.world import World

NOBODY = 65534


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Return a function that gives up root's rights, which no file mode binds, until the end.

    The temporary folders above ``tmp_path`` are opened for it.
    """
    if os.getuid() != 0:
        yield lambda: None
        return
    modes = {folder: folder.stat().st_mode for folder in (tmp_path, *tmp_path.parents)}
    for folder, mode in modes.items():
        if mode & 0o055 != 0o055:
            folder.chmod(mode | 0o055)
    os.chown(tmp_path, NOBODY, NOBODY)
    yield lambda: os.seteuid(NOBODY)
    os.seteuid(0)
    for folder, mode in modes.items():
        if folder.stat().st_mode != mode:
            folder.chmod(mode)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Start a real S3 server of this process and return its URL."""
    moto = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    pytest.importorskip("s3fs", reason="crossmodal[s3] is not installed")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
