"""Read a person's list of sources: a text file that names one a line."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from crossmodal.errors import PathError
from crossmodal.files.secrets import refuse_secrets


def read_listed(path: str) -> set[str]:
    """Return the uris that the file names, local ones as absolute paths; empty lines are skipped.

    Raises:
        PathError: the file cannot be read, or names nothing.
    """
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise PathError(
            f"the list {path} cannot be read ({error}): give a UTF-8 text file with a path or URL "
            "on each line"
        ) from error
    uris = {_uri(line) for line in map(str.strip, lines) if line}
    if not uris:
        raise PathError(f"the list {path} names no source: put a path or URL on each line")
    return uris


def digest(uris: set[str]) -> str:
    """Return a short name for a list, the same in whatever order it is."""
    return hashlib.sha256("\n".join(sorted(uris)).encode()).hexdigest()[:16]


def _uri(line: str) -> str:
    line = line.removeprefix("file://")
    return refuse_secrets(line) if "://" in line else os.path.abspath(os.path.expanduser(line))
