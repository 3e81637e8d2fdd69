"""Say where what can be made again is kept."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a small file of a cache so that nobody ever reads half of it.

    Raises:
        OSError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}-{os.getpid()}")
    partial.write_text(text, "utf-8")
    os.replace(partial, path)


def cache_root() -> Path:
    """Return the folder of caches: ``CROSSMODAL_CACHE``, else crossmodal/ in the user's cache.

    Raises:
        RuntimeError: There is no home directory.
    """
    if named := os.environ.get("CROSSMODAL_CACHE"):
        return Path(named).expanduser().absolute()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG base directory specification: a relative path is to be ignored.
    return (base if base.is_absolute() else Path.home() / ".cache") / "crossmodal"
