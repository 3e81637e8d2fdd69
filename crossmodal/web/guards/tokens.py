"""Keep the secret by which the search page lets people in, in a file of its owner's alone.

Owns the file beside the collection. It is looked at with every request: a token that was replaced
or deleted opens nothing from then on, also on a page that runs, and cookies made of it neither.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

_NUM_BYTES = 24


class TokenFile:
    """Tell the token that a file holds at this moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, ...] = ()
        self._token = ""

    def __call__(self) -> str:
        """Return the token; empty where there is none, and then nobody is let in."""
        try:
            found = self._path.stat()
            seen = (found.st_ino, found.st_mtime_ns, found.st_size)
            if seen != self._seen:
                self._token = self._path.read_text("ascii").strip()
                self._seen = seen
        except (OSError, ValueError):
            self._token, self._seen = "", ()
        return self._token


def token_path(collection: str) -> Path:
    """Return where a collection's token lies."""
    return Path(f"{os.path.realpath(Path(collection).expanduser())}.token")


def new_token() -> str:
    """Return a secret that nobody guesses."""
    return secrets.token_urlsafe(_NUM_BYTES)


def keep_token(path: Path, *, renew: bool = False) -> bool:
    """Make the file of a token where there is none, or one that others could read.

    Args:
        path: the file.
        renew: make another token, which revokes the one before.

    Returns:
        Whether the file is there; False where none can be written.
    """
    if not (renew or _is_open(path)) and TokenFile(path)():
        return True
    made = new_token()
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{made}\n")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        return False
    return True


def _is_open(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False
