"""Read a file of queries: text lines, CSV or JSON lines.

A line of text is a query. A CSV has a header with a column ``query``, ``text`` or ``image``, and a
JSON line is an object with one of these; ``image`` is the path or URL of a picture. What else a row
holds, such as an id, comes back with its answer. Refuses a row that asks nothing, naming its line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossmodal.errors import PathError
from crossmodal.search.service import Query

MAX_QUERIES = 1_000_000
_TEXTS = ("query", "text")
_IMAGE = "image"


@dataclass(frozen=True, slots=True)
class FileQuery:
    """Hold one query and what else stands in its row."""

    query: Query
    extras: dict[str, Any] = field(default_factory=dict)


def read_queries(path: str | Path) -> list[FileQuery]:
    """Return the queries of a .txt, .csv or .jsonl file, in their order; blank lines are left out.

    Raises:
        PathError: the file cannot be read, is of another kind, or a row asks nothing.
    """
    file = Path(path).expanduser()
    readers = {".txt": _lines, ".csv": _csv_rows, ".jsonl": _json_rows}
    read = readers.get(file.suffix.lower())
    if read is None:
        raise PathError(f"{path} is no file of queries: use one that ends in {', '.join(readers)}")
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            found = [_query(path, number, row) for number, row in read(path, lines)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise PathError(f"the queries of {path} cannot be read: {error}") from error
    if not 0 < len(found) <= MAX_QUERIES:
        raise PathError(f"{path} holds {len(found):,} queries: give 1 to {MAX_QUERIES:,}")
    return found


def _lines(path: str | Path, lines: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, {"query": line.strip()}


def _csv_rows(path: str | Path, lines: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(lines)
    if not {*_TEXTS, _IMAGE} & set(reader.fieldnames or ()):
        raise PathError(
            f"{path} has the columns {', '.join(reader.fieldnames or ()) or 'none'}: one must be "
            "query, text or image"
        )
    for row in reader:
        yield reader.line_num, {name: value for name, value in row.items() if name is not None}


def _json_rows(path: str | Path, lines: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise PathError(f"line {number} of {path} is no JSON: {error}") from error
        yield number, row if isinstance(row, dict) else {}


def _query(path: str | Path, number: int, row: dict[str, Any]) -> FileQuery:
    given = {name: row.get(name) for name in (*_TEXTS, _IMAGE)}
    asked = {name: value for name, value in given.items() if isinstance(value, str) and value}
    text = next((asked[name].strip() for name in _TEXTS if name in asked), "")
    picture = asked.get(_IMAGE, "")
    if bool(text) == bool(picture):
        raise PathError(
            f"line {number} of {path} must hold either a text (query or text) or an image: "
            f"it holds {', '.join(asked) or 'neither'}"
        )
    extras = {name: value for name, value in row.items() if name not in given}
    return FileQuery(Query(text=text) if text else Query(picture=picture), extras)
