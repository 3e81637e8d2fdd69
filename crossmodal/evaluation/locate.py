"""Find what a set names among the sources that a collection holds.

Owns how a path of a set becomes a content: two copies of a photo are one item, so that a query is
not wrong for finding the other copy. Refuses to touch files: what is not indexed is not there.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pyarrow as pa

from crossmodal.evaluation.sets import Target
from crossmodal.files.read import is_remote
from crossmodal.ledger.sql import registered

_LEVELS_UP = 3

_BY_URI = """
SELECT w.given, s.content_hash, coalesce(s.media_type, ''), s.uri
FROM wanted w JOIN source s ON s.uri = w.uri WHERE s.content_hash IS NOT NULL
"""
_BY_NAME = r"""
SELECT w.given, any_value(s.content_hash), any_value(coalesce(s.media_type, '')), any_value(s.uri)
FROM wanted w JOIN source s
    ON regexp_replace(split_part(s.uri, '/', -1), '\.[^.]*$', '') = w.uri
WHERE s.content_hash IS NOT NULL
GROUP BY w.given HAVING count(DISTINCT s.content_hash) = 1
"""


@dataclass(frozen=True, slots=True)
class Located:
    """Name the content that a path stands for, and the first source that holds it."""

    content_hash: str
    media_type: str
    uri: str


def locate(
    con: duckdb.DuckDBPyConnection, targets: Iterable[Target], bases: Sequence[Path]
) -> dict[Target, Located]:
    """Return what each target is in the collection; those that are not indexed are left out.

    Relative paths are tried from each base; the one from which most are found is taken.
    """
    wanted = sorted(set(targets))
    paths = sorted({target.path for target in wanted})
    found: dict[str, Located] = {}
    for base in bases:
        tried = _ask(con, _BY_URI, {path: _absolute(path, base) for path in paths})
        found = max(found, tried, key=len)
    located = {target: found[target.path] for target in wanted if target.path in found}
    unnamed = {target for target in wanted if target.name and target not in located}
    by_name = _ask(con, _BY_NAME, {target.name: target.name for target in unnamed})
    return located | {t: by_name[t.name] for t in unnamed if t.name in by_name}


def bases_of(set_path: Path, root: str) -> list[Path]:
    """Return where relative paths may begin: the root that is named, or the set's own folders."""
    if root:
        return [Path(root).expanduser().absolute()]
    folder = set_path if set_path.is_dir() else set_path.parent
    return [folder, *list(folder.parents)[:_LEVELS_UP]]


def content_of(con: duckdb.DuckDBPyConnection, uris: Iterable[str]) -> dict[str, str]:
    """Return the content hash of each source."""
    found = _ask(con, _BY_URI, {uri: uri for uri in uris})
    return {uri: located.content_hash for uri, located in found.items()}


def _absolute(path: str, base: Path) -> str:
    return path if is_remote(path) else os.path.abspath(base / os.path.expanduser(path))


def _ask(con: duckdb.DuckDBPyConnection, sql: str, wanted: Mapping[str, str]) -> dict[str, Located]:
    table = pa.table({"given": list(wanted), "uri": list(wanted.values())})
    if not wanted:
        return {}
    with registered(con, wanted=table):
        return {given: Located(*rest) for given, *rest in con.execute(sql).fetchall()}
