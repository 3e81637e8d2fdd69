"""Copy a collection to another file while others use it, and put a copy back.

Owns what a consistent copy is: the database alone, without a write-ahead log, as it was between two
commits. Caches are not copied: they say which collection they belong to and are made again.
Invariant: the file at the destination is a whole collection that was read to its end, or is not
there; what was there before is kept until then.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from crossmodal.errors import CollectionError, CollectionMissing
from crossmodal.ledger.collection import Collection
from crossmodal.ledger.explain import explain_os
from crossmodal.ledger.lock import exclusive
from crossmodal.ledger.private import as_private_as
from crossmodal.ledger.read.verify_all import Verified, verify_all


@dataclass(frozen=True, slots=True)
class Copied:
    """Say what was copied where, and what checking the copy found."""

    source: str
    destination: str
    num_bytes: int
    verified: Verified


def back_up(collection: Collection, destination: str | Path) -> Copied:
    """Write a consistent copy of a collection; runs wait for their next commit meanwhile.

    Args:
        collection: what to copy.
        destination: a file that is not there yet, or a folder to put it into.

    Raises:
        CollectionError: there is something at the destination, or the copy is not sound.
    """
    target = Path(destination).expanduser().absolute()
    if target.is_dir():
        target /= collection.path.name
    if target.exists():
        raise CollectionError(f"{target} is there already: name another file, or move it away")
    return _copied(collection, Collection(target))


def restore(copy: Collection, collection: Collection, *, over: bool = False) -> Copied:
    """Put a copy in the place of a collection; nobody reads or writes it at that moment.

    Raises:
        CollectionError: a collection is there and ``over`` is not set, or the copy is not sound.
    """
    if collection.exists and not over:
        raise CollectionError(
            f"{collection.path} is a collection already: use --replace to put the copy in its "
            "place, or name another with --collection"
        )
    return _copied(copy, collection)


def _copied(source: Collection, target: Collection) -> Copied:
    """Copy aside, check, and rename into place."""
    aside = Path(f"{target.path}.copy")
    try:
        target.path.parent.mkdir(parents=True, exist_ok=True)
        with as_private_as(source.path):
            _copy_file(source, aside)
        verified = replace(verify_all(Collection(aside)), path=str(target.path))
        if verified.problems:
            raise CollectionError(f"the copy is not sound: {'; '.join(verified.problems)}")
        with exclusive(target.path, target.lock_timeout_s):
            Path(f"{target.path}.wal").unlink(missing_ok=True)
            os.replace(aside, target.path)
    except OSError as error:
        raise explain_os(error, target.path) from error
    finally:
        for leftover in ("", ".wal", ".lock", ".gate"):
            with suppress(OSError):
                Path(f"{aside}{leftover}").unlink(missing_ok=True)
    return Copied(str(source.path), str(target.path), target.size_bytes, verified)


def _copy_file(source: Collection, aside: Path) -> None:
    """Copy between two commits, with the log written into the database first.

    A collection that may only be read is copied as it lies, since nobody can be writing it.
    """
    if not source.exists:
        raise CollectionMissing(f"there is no collection at {source.path}: nothing was copied")
    log = Path(f"{source.path}.wal")
    if log.is_file() and os.access(source.path, os.W_OK):
        with source.write():
            pass  # closing the connection takes in the log
    with source.read():
        shutil.copyfile(source.path, aside)
        if log.is_file():
            shutil.copyfile(log, f"{aside}.wal")
    with Collection(aside).write():
        pass  # takes in a log that was copied along
    with aside.open("rb") as file:
        os.fsync(file.fileno())
