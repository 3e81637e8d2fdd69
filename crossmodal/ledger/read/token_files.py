"""Count what token vectors are kept beside a collection, by the files that rerankers keep them in.

Owns where they lie; ``search.tokens`` writes them. A file that cannot be read counts by its bytes.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Sum up the token vectors of one reranker in one form."""

    label: str
    """The reranker's short name; the beginning of its fingerprint where nobody noted that."""
    form: str
    """int8, int8-pool2, float16."""
    num_entries: int
    """Passages and pictures."""
    num_bytes: int


def folder_of(collection: Path) -> Path:
    """Return where the token vectors of a collection lie."""
    return Path(f"{os.fspath(collection)}.tokens")


def token_files(collection: Path) -> list[TokenFile]:
    """Return what each reranker keeps beside a collection."""
    return [_counted(path) for path in sorted(folder_of(collection).glob("*.sqlite"))]


def _counted(path: Path) -> TokenFile:
    fingerprint, _, form = path.stem.partition("-")
    label, num = fingerprint[:8], 0
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as con:
            (num,) = con.execute("SELECT count(*) FROM tokens").fetchone()
            noted = con.execute("SELECT value FROM about WHERE name = 'label'").fetchone()
            label = noted[0] if noted else label
    except sqlite3.Error:
        pass
    return TokenFile(label, form or "float16", num, path.stat().st_size if path.exists() else 0)
