"""Ask a process of this user that has a collection's models loaded already: ``crossmodal ui``.

Owns where it is found, a socket in a folder of this user's alone, and the client. No secret
travels: who may connect is for the system to say, and whoever is connected to is of this user, or
nothing is asked. Invariant: whatever goes wrong there, the caller can still answer by itself. Costs
next to nothing to import.
"""

from __future__ import annotations

import hashlib
import json
import os
import socket
import stat
import struct
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crossmodal import errors
from crossmodal.errors import CrossmodalError
from crossmodal.search.options import QueryOptions

MAX_REQUEST_BYTES = 1_000_000
MAX_ANSWER_BYTES = 256_000_000
_WAIT_S = 60.0
_MAX_PATH_BYTES = 100
"""A little less than what a socket's address holds."""


def socket_path(collection: str | os.PathLike[str]) -> Path | None:
    """Return where a process that serves a collection listens; None where none can safely."""
    if not hasattr(socket, "AF_UNIX"):
        return None
    folder = _own_folder()
    name = hashlib.sha256(os.path.realpath(os.path.expanduser(collection)).encode()).hexdigest()
    path = folder / f"{name[:24]}.sock" if folder else None
    return path if path and len(os.fsencode(path)) < _MAX_PATH_BYTES else None


def is_own(connection: socket.socket) -> bool:
    """Say whether a process of this user is at the other end; True where the system cannot tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the folder keeps others out
    size = struct.calcsize("3i")
    told = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    _pid, uid, _gid = struct.unpack("3i", told)
    return bool(uid == os.geteuid())


def code_version() -> str:
    """Return what both ends must have in common to answer alike."""
    from importlib.metadata import version

    return version("crossmodal")


def ask_running(options: QueryOptions, texts: Sequence[str]) -> list[dict[str, Any]] | None:
    """Return an answer for each text, ``{answer, table}`` as JSON has them; None: answer yourself.

    Raises:
        CrossmodalError: what the search itself would raise.
    """
    path = socket_path(options.collection)
    if path is None or not path.exists():
        return None
    asked = {name: getattr(options, name) for name in QueryOptions.__slots__}
    asked["collection"] = os.path.realpath(os.path.expanduser(options.collection))
    request = {"version": code_version(), "options": asked, "texts": list(texts)}
    try:
        told = json.loads(_exchange(path, json.dumps(request).encode()))
    except (OSError, ValueError):
        return None
    if not isinstance(told, dict):
        return None
    if error := told.get("error"):
        kind = getattr(errors, str(error), None)
        # A command waits longer for a lock than the page does.
        if not isinstance(kind, type) or kind is errors.CollectionBusy:
            return None
        if issubclass(kind, CrossmodalError):
            raise kind(str(told.get("message")))
        return None
    answers: list[dict[str, Any]] | None = told.get("answers")
    return answers


def _own_folder() -> Path | None:
    """Return a folder that nobody else may look into, made where it lacks."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(base) / f"crossmodal-{os.geteuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError:
        return None
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()
    return folder if is_ours and not found.st_mode & 0o077 else None


def _exchange(path: Path, request: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_WAIT_S)
        connection.connect(str(path))
        if not is_own(connection):
            raise PermissionError(f"{path} is somebody else's")
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        content = bytearray()
        while part := connection.recv(1 << 16):
            content += part
            if len(content) > MAX_ANSWER_BYTES:
                raise OSError("an answer without end")
    return bytes(content)
