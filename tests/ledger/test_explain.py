from __future__ import annotations

import errno
from pathlib import Path

import duckdb
import pytest

from crossmodal.errors import (
    CollectionBusy,
    CollectionError,
    CollectionTooNew,
    CollectionUnreadable,
)
from crossmodal.ledger.explain import explain_duckdb, explain_os

PATH = Path("/data/c.duckdb")


@pytest.mark.parametrize(
    ("said", "kind", "advice"),
    [
        ("Conflicting lock is held in python (PID 7)", CollectionBusy, "close that program"),
        ("Could not write: No space left on device", CollectionError, "free some space"),
        ("Could not write: Disk quota exceeded", CollectionError, "free some space"),
        ("Cannot open file: Permission denied", CollectionUnreadable, "read and write permission"),
        ("Cannot open file: Read-only file system", CollectionUnreadable, "copy it to a writable"),
        (
            "Trying to read a database file with storage version number 99, but we can only",
            CollectionTooNew,
            "pip install -U duckdb",
        ),
        ("Could not read enough bytes", CollectionUnreadable, "restore it from a copy"),
    ],
)
def test_what_duckdb_says_about_the_file_comes_with_advice(
    said: str, kind: type[CollectionError], advice: str
) -> None:
    explained = explain_duckdb(duckdb.IOException(f"IO Error: {said}\nmore lines"), PATH)
    assert type(explained) is kind
    assert str(explained).startswith(str(PATH))
    assert advice in str(explained)
    assert "more lines" not in str(explained)


def test_what_duckdb_says_about_a_statement_is_left_alone() -> None:
    assert explain_duckdb(duckdb.BinderException("no such column"), PATH) is None


@pytest.mark.parametrize(
    ("number", "kind", "advice"),
    [
        (errno.ENOSPC, CollectionError, "free some space"),
        (errno.EACCES, CollectionUnreadable, "read and write permission"),
        (errno.EROFS, CollectionUnreadable, "copy it to a writable folder"),
        (errno.ENOTDIR, CollectionUnreadable, "name another with --collection"),
    ],
)
def test_what_the_system_says_about_the_folder_comes_with_advice(
    number: int, kind: type[CollectionError], advice: str
) -> None:
    explained = explain_os(OSError(number, "as the system says"), PATH)
    assert type(explained) is kind
    assert advice in str(explained)
