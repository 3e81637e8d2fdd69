"""Open regular local files only; never block on a pipe or a device."""

from __future__ import annotations

import os
import stat
from io import FileIO


def open_regular(path: str) -> FileIO:
    """Open a regular file for reading, unbuffered.

    Raises:
        FileNotFoundError: there is nothing, or something that is no regular file.
    """
    # Without O_NONBLOCK the open itself would wait for a pipe's other end.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(f"{path} is no regular file")
    return FileIO(descriptor, "rb")
