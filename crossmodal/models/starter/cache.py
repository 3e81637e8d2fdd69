"""Expand the built-in model once into the user's cache, and say where its folders lie.

Owns one folder for each digest of the shipped files. It appears whole, by a rename, and holds
``expanded.json``: size, time and SHA-256 of every file that was written. A folder that disagrees
is made anew. Several processes take turns by a file lock. Where the cache cannot be written, a
temporary folder serves this process and goes with it.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from crossmodal.errors import ModelUnavailable
from crossmodal.files.cache_folder import cache_root
from crossmodal.models.starter import shipped, unpack

RECORD = "expanded.json"
_PARTIAL = ".partial-"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NEEDED_MB = 270
# What this process expanded for itself, by digest: (process, folder).
_temporary: dict[str, tuple[int, Path]] = {}


def image_text_directory() -> Path:
    """Return the folder of the image-text model (512 dimensions), expanded if it is not yet.

    Raises:
        ModelUnavailable: The shipped files are damaged, or there is no room to expand them.
    """
    return _expanded() / unpack.IMAGE_TEXT


def sentence_directory() -> Path:
    """Return the folder of the sentence encoder (384 dimensions), expanded if it is not yet.

    Raises:
        ModelUnavailable: The shipped files are damaged, or there is no room to expand them.
    """
    return _expanded() / unpack.SENTENCE


def _expanded() -> Path:
    digest = shipped.digest(shipped.DATA)
    process, folder = _temporary.get(digest, (0, Path()))
    if process == os.getpid() and is_whole(folder):
        return folder
    try:
        target = cache_root() / "starter" / digest[:16]
        return target if is_whole(target) else _expanded_to(target)
    except (OSError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise ModelUnavailable(_no_room(error)) from error
        return _expanded_for_this_process(digest)


def is_whole(folder: Path) -> bool:
    """Say whether an expanded folder is as it was written.

    Files of the recorded size and time are taken as unchanged; the others are read.
    """
    try:
        record = json.loads((folder / RECORD).read_text("utf-8"))
        same = (_is_same(folder / name, *facts) for name, facts in record.items())
        return bool(record) and all(same)
    except (OSError, ValueError, TypeError, AttributeError):
        return False


def _is_same(path: Path, size: int, time_ns: int, checksum: str) -> bool:
    stat = path.stat()
    if stat.st_size != size:
        return False
    return stat.st_mtime_ns == time_ns or shipped.sha256_of(path) == checksum


def _expanded_to(target: Path) -> Path:
    """Expand into ``target`` unless another process does so first.

    Raises:
        OSError: The folder above it cannot be written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _turn(target.parent / "lock"):
        if not is_whole(target):
            _clear(target.parent)
            partial = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=target.parent))
            try:
                _fill(partial)
                _replace(partial, target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    return target


@contextlib.contextmanager
def _turn(lock: Path) -> Iterator[None]:
    """Hold the lock file; the system frees it when the process ends, however it ends."""
    with lock.open("a") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def _clear(root: Path) -> None:
    """Remove what processes left that were killed while they expanded; the lock is held."""
    for left in root.glob(f"{_PARTIAL}*"):
        shutil.rmtree(left, ignore_errors=True)


def _fill(folder: Path) -> None:
    """Expand the shipped files into ``folder`` and record what was written."""
    say = sys.stderr.write
    say(f"expanding the built-in model, once, about 3 s, {_NEEDED_MB} MB\n")
    shipped.check(shipped.DATA)
    unpack.write_models(shipped.DATA, folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    record = {path.relative_to(folder).as_posix(): _facts(path) for path in files}
    (folder / RECORD).write_text(json.dumps(record, indent=1), "utf-8")
    # mkdtemp lets nobody else in; a cache that users share is read by them all.
    folder.chmod(0o755)


def _facts(path: Path) -> tuple[int, int, str]:
    with path.open("rb") as stream:
        os.fsync(stream.fileno())
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, shipped.sha256_of(path)


def _replace(partial: Path, target: Path) -> None:
    """Put the whole folder where a damaged one may lie."""
    if target.exists():
        # Renamed into the new one's place: a name that _clear finds if this process is killed.
        damaged = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=target.parent))
        target.rename(damaged)
        shutil.rmtree(damaged, ignore_errors=True)
    partial.rename(target)


def _expanded_for_this_process(digest: str) -> Path:
    """Expand into a temporary folder that goes when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="crossmodal-starter-"))
    atexit.register(_remove, folder, os.getpid())
    try:
        _fill(folder)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise ModelUnavailable(_no_room(error)) from error
    _temporary[digest] = (os.getpid(), folder)
    return folder


def _remove(folder: Path, process: int) -> None:
    # A forked child inherits the wish, but not the folder.
    if os.getpid() == process:
        shutil.rmtree(folder, ignore_errors=True)


def _no_room(error: OSError) -> str:
    return (
        f"the built-in model cannot be expanded: {error}. It needs {_NEEDED_MB} MB: make room, or "
        "name a folder that has it: CROSSMODAL_CACHE=/path/to/folder"
    )
