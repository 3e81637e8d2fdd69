"""Wait for files to change below some folders.

Owns which changes count: those that an index run could see. Refuses to look at content; whether
anything is to be done is for the ledger to say. Invariant: a change is told of, or comes before the
first yield, however busy the caller was meanwhile, since the system's own watch never pauses.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from crossmodal.errors import PathError
from crossmodal.files.read import is_remote
from crossmodal.sources.listing.patterns import GlobPattern, has_wildcard

_START_MS = 50


def watched_folders(paths: Sequence[str]) -> list[Path]:
    """Return the folders in which something must change for an index of the paths to see it.

    Raises:
        PathError: a path is remote, or there is nothing to watch.
    """
    return sorted({_folder(path) for path in paths})


def changes(folders: Sequence[Path], collection: str, settle_s: float) -> Iterator[set[str]]:
    """Yield nothing once, when the watch has begun; then the paths that changed, again and again.

    Args:
        folders: with all that lies below them.
        collection: the DuckDB file; it and what lies beside it under its name do not count.
        settle_s: how long nothing may change before what did is told of, within twice this time.
    """
    from watchfiles import watch

    ours = os.path.realpath(collection)
    found = watch(
        *folders,
        watch_filter=lambda _, path: not os.path.realpath(path).startswith(ours),
        debounce=round(2000 * settle_s),
        step=max(1, round(1000 * settle_s)),
        rust_timeout=_START_MS,
        yield_on_timeout=True,
        raise_interrupt=True,
    )
    yield {path for _, path in next(found)}
    yield from ({path for _, path in batch} for batch in found if batch)


def _folder(path: str) -> Path:
    if is_remote(path):
        raise PathError(
            f"{path} is remote and tells nobody of its changes: give local folders to watch, and "
            "let a schedule index the rest (crossmodal serve or crossmodal deploy)"
        )
    local = os.path.abspath(os.path.expanduser(path.removeprefix("file://")))
    if has_wildcard(local) and not os.path.lexists(local):
        local = GlobPattern(local).base
    folder = Path(local) if os.path.isdir(local) else Path(local).parent
    if not folder.is_dir():
        raise PathError(f"{folder} is no folder, so nothing can be watched there: create it first")
    return folder
