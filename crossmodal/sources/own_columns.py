"""Read a user's own table of facts about sources: a column of paths, and columns to filter by.

Owns what such a file may look like, and what is said of one that cannot be used; refuses to guess:
a file is used whole or not at all. Which source a path means is the ledger's business
(``ledger.write.own_columns``). A CSV separated by commas, semicolons, tabs or bars, JSON lines, or
Parquet (``column_rows``); UTF-8.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import pyarrow as pa

from crossmodal.errors import PathError
from crossmodal.ledger.read.column_filters import folded_name
from crossmodal.ledger.read.filters import clashes
from crossmodal.ledger.write.own_columns import OwnColumns
from crossmodal.sources.column_rows import Rows
from crossmodal.views.human import counted

PATH_COLUMNS = ("path", "file_path", "filepath", "uri", "file", "filename", "file_name", "image")
MAX_BYTES = 1_000_000_000
MAX_COLUMNS = 256
MAX_VALUE_CHARS = 1000
_MAX_NAME_CHARS = 200
_TURN_ROWS = 50_000

KEYS = pa.schema([("row", pa.int64()), ("key", pa.string()), ("is_absolute", pa.bool_())])
VALUES = pa.schema([("row", pa.int64()), ("name", pa.string()), ("value", pa.string())])


def stat_of(file: Path) -> str:
    """Return what changes when a file does.

    Raises:
        PathError: it is no file that can be read, or too large.
    """
    try:
        found = file.stat()
    except (OSError, ValueError) as error:
        raise PathError(f"the columns {str(file)!r} cannot be read: {error}") from error
    if not file.is_file():
        raise PathError(
            f"the columns {str(file)!r} are no file: name a CSV, JSON lines or Parquet with a "
            "column of paths"
        )
    if found.st_size > MAX_BYTES:
        raise PathError(
            f"the columns {str(file)!r} are larger than {MAX_BYTES / 1e9:g} GB: leave columns out, "
            "or divide the file and give each part with --columns"
        )
    return f"{found.st_size}|{found.st_mtime_ns}"


def read_own_columns(file: Path) -> OwnColumns:
    """Return what a table says of sources.

    Raises:
        PathError: it cannot be read, or is no such table; it says where.
    """
    file = file.absolute()
    stat = stat_of(file)
    try:
        return _read(file, stat, Rows(file))
    except UnicodeDecodeError as error:
        raise PathError(f"{file} is not UTF-8 text ({error.reason}): save it as UTF-8") from error
    except OSError as error:
        raise PathError(f"{file} cannot be read: {error}") from error


def _read(file: Path, stat: str, rows: Rows) -> OwnColumns:
    lines = iter(rows)
    header = next(lines, [])
    at = _path_column(file, header)
    names = _names(file, header, at)
    keys, values, number, without = [KEYS.empty_table()], [VALUES.empty_table()], 0, 0
    while part := list(islice(lines, _TURN_ROWS)):
        told = [row for row in part if any(row)]
        for row in told:
            if len(row) > len(header):
                detail = f"has {len(row)} cells, the first line {len(header)}"
                raise rows.wrong(detail, "put quotes around cells that hold the separator")
        named = [row for row in told if len(row) > at and row[at]]
        without += len(told) - len(named)
        keys.append(_keys(number, [row[at] for row in named]))
        values.append(_values(number, named, names))
        number += len(named)
    return OwnColumns(
        str(file), stat, pa.concat_tables(keys), pa.concat_tables(values), _notes(names, without)
    )


def _path_column(file: Path, header: Sequence[str]) -> int:
    folded = [folded_name(name) for name in header]
    for name in PATH_COLUMNS:
        if name in folded:
            return folded.index(name)
    raise PathError(
        f"{file} has no column of paths among {', '.join(map(repr, header[:20])) or 'none'}: call "
        f"one {', '.join(PATH_COLUMNS[:-1])} or {PATH_COLUMNS[-1]}"
    )


def _names(file: Path, header: Sequence[str], path_at: int) -> dict[int, str]:
    """Return the folded names of the columns to filter by, by their place; nameless ones have none.

    Raises:
        PathError: a name is there twice, or could not be asked for.
    """
    if len(header) > MAX_COLUMNS:
        raise PathError(f"{file} has {len(header)} columns: leave some out, {MAX_COLUMNS} are many")
    seen: dict[str, str] = {}
    for name in filter(None, header):
        if folded_name(name) in seen:
            raise PathError(
                f"{file} has the column {name!r} twice (also as {seen[folded_name(name)]!r}; "
                "letter case does not count): rename one"
            )
        if set(name) & set("=<>!") or len(name) > _MAX_NAME_CHARS:
            raise PathError(f"{file}: no filter can name the column {name[:80]!r}: rename it")
        seen[folded_name(name)] = name
    return {i: folded_name(name) for i, name in enumerate(header) if name and i != path_at}


def _keys(first: int, paths: Sequence[str]) -> pa.Table:
    keys = [_key(path) for path in paths]
    columns = [range(first, first + len(keys)), keys, [_is_absolute(key) for key in keys]]
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, KEYS, strict=True)],
        schema=KEYS,
    )


def _key(path: str) -> str:
    if "://" in path and not path.startswith("file://"):
        return path
    path = path.removeprefix("file://")
    path = path.replace("\\", "/") if "/" not in path else path
    return posixpath.normpath(path)


def _is_absolute(key: str) -> bool:
    return key.startswith("/") or "://" in key or key[1:3] == ":/"


def _values(first: int, rows: Sequence[Sequence[str]], names: dict[int, str]) -> pa.Table:
    told = [
        (number, name, row[i][:MAX_VALUE_CHARS])
        for number, row in enumerate(rows, first)
        for i, name in names.items()
        if i < len(row) and row[i]
    ]
    columns = zip(*told, strict=True) if told else ((), (), ())
    return pa.Table.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, VALUES, strict=True)],
        schema=VALUES,
    )


def _notes(names: dict[int, str], num_without: int) -> tuple[str, ...]:
    clashing = [name for name in names.values() if clashes(name)]
    notes = [f"{n!r} is a field of its own: ask for the column as columns.{n}" for n in clashing]
    if num_without:
        notes.append(f"{counted(num_without, 'row names', 'rows name')} no path")
    return tuple(notes)
