"""The lock file: every file by its hash, in the versions of constraints.txt."""

from __future__ import annotations

import re

from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.conftest import ROOT

LOCKED = re.compile(r"([\w.-]+)==([\w.+!-]+) --hash=sha256:[0-9a-f]{64}")


def pinned(name: str, line: re.Pattern[str]) -> dict[str, str]:
    rows = (ROOT / name).read_text("utf-8").splitlines()
    found = [line.fullmatch(row) for row in rows if row and not row.startswith("#")]
    assert all(found), name
    return {canonicalize_name(row[1]): Version(row[2]).public for row in found if row}


def test_each_locked_file_has_a_hash_and_the_version_that_is_known_to_work() -> None:
    locked = pinned("constraints.lock", LOCKED)
    known = pinned("constraints.txt", re.compile(r"([\w.-]+)==([\w.+!-]+)"))
    assert {"prefect", "daft", "duckdb", "torch", "s3fs", "gcsfs"} <= set(locked)
    differing = {name for name, number in locked.items() if known.get(name, number) != number}
    assert not differing
